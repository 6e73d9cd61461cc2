// SPDX-License-Identifier: MIT
/* A library that a loader takes as any other, and for LD_AUDIT as well. */
unsigned la_version(unsigned version)
{
	return version;
}
