// SPDX-License-Identifier: GPL-2.0-only
#include "vmmctl.h"
int verb_info(int argc, char **argv) { (void)argc; (void)argv; return STATUS_USAGE; }
