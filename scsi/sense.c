/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data and the ways in which a command ends. */
#include "scsi/sense.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "wire/port.h"

#include <string.h>
