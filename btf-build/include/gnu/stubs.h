/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In place of the C library's list of functions that do nothing, which its <features.h> includes. A machine of x86-64 has the list of
 * what is not x86-64, as BPF is not, only where its development files for 32 bits are installed. BPF programs call none of those
 * functions.
 */
