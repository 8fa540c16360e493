/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In place of the C library's header, which takes all that is not x86-64 for a machine of 32 bits: a `uintptr_t` of four bytes would
 * cut pointers in half.
 */
#define __WORDSIZE 64
