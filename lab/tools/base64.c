/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base64.c - bytes as text that survives a console (RFC 4648, section 4).
 */
#include <stdint.h>
#include <string.h>

#include "base64.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *text, const void *data, size_t size)
{
	const uint8_t *in = data;
	char *out = text;
	size_t i;

	for (i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t word = (uint32_t)in[i] << 16;

		if (left > 1)
			word |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			word |= in[i + 2];
		*out++ = alphabet[word >> 18 & 63];
		*out++ = alphabet[word >> 12 & 63];
		*out++ = left > 1 ? alphabet[word >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[word & 63] : '=';
	}
	*out = '\0';
	return (size_t)(out - text);
}

ssize_t base64_decode(void *data, const char *text)
{
	size_t length = strlen(text), padding = 0, i, j;
	uint8_t *out = data;

	if (length % 4)
		return -1;
	for (i = 0; i < length; i += 4) {
		uint32_t word = 0;

		for (j = i; j < i + 4; j++) {
			const char *digit = strchr(alphabet, text[j]);

			word <<= 6;
			if (digit)
				word |= (uint32_t)(digit - alphabet);
			else if (text[j] != '=' || j + 2 < length)
				return -1;
			else
				padding++;
		}
		*out++ = (uint8_t)(word >> 16);
		*out++ = (uint8_t)(word >> 8);
		*out++ = (uint8_t)word;
	}
	return out - (uint8_t *)data - (ssize_t)padding;
}
