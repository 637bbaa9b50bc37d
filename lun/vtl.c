/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/vtl.h"

#include <stdio.h>
#include <string.h>

#include "scsi/bytes.h"

#define ENTRY 20u
#define HEAD  8u

_Static_assert(HEAD + VTL_CARTS_MAX * ENTRY <= STATE_MAX, "a slot holds it");

uint32_t vtl_inventory_put(const struct vtl_cart *cart, uint32_t n,
			   uint8_t *out)
{
	uint8_t *p = out + HEAD;

	memset(out, 0, HEAD + n * ENTRY);
	memcpy(out, "XPVI", 4);
	scsi_put32(out + 4, n);
	for (uint32_t i = 0; i < n; i++, p += ENTRY) {
		memcpy(p, cart[i].barcode, CART_BARCODE_MAX);
		scsi_put16(p + 16, cart[i].at);
		scsi_put16(p + 18, cart[i].source);
	}
	return HEAD + n * ENTRY;
}

bool vtl_inventory_get(const uint8_t *image, uint32_t len,
		       struct vtl_cart *cart, uint32_t *n)
{
	const uint8_t *p = image + HEAD;

	if (len < HEAD || memcmp(image, "XPVI", 4) != 0)
		return false;
	*n = scsi_get32(image + 4);
	if (*n > VTL_CARTS_MAX || len != HEAD + *n * ENTRY)
		return false;
	for (uint32_t i = 0; i < *n; i++, p += ENTRY) {
		memcpy(cart[i].barcode, p, CART_BARCODE_MAX);
		cart[i].barcode[CART_BARCODE_MAX] = '\0';
		cart[i].at = scsi_get16(p + 16);
		cart[i].source = scsi_get16(p + 18);
		if (!cart_barcode_ok(cart[i].barcode))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (cart[j].at == cart[i].at ||
			    !strcmp(cart[j].barcode, cart[i].barcode))
				return false;
	}
	return true;
}

void vtl_place_name(uint32_t address, char *out)
{
	if (address >= CHANGER_SLOT)
		snprintf(out, 16, "slot %u", address - CHANGER_SLOT);
	else
		snprintf(out, 16, "drive %u", address - CHANGER_DRIVE);
}

void vtl_serial(const char *serial, int drive, char *out)
{
	if (drive < 0)
		snprintf(out, CHANGER_SERIAL_MAX + 1, "%.16sC", serial);
	else
		snprintf(out, CHANGER_SERIAL_MAX + 1, "%.16sD%c", serial,
			 '0' + drive);
}
