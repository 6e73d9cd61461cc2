/* SPDX-License-Identifier: GPL-2.0-only */
/* The active policy image, and those beside it. */
#ifndef ENFORCER_IMAGES_BPF_H
#define ENFORCER_IMAGES_BPF_H

#include "maps.bpf.h"

static __always_inline const struct enf_image *enf_image_at(__u32 which)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&images, &which);

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

/* Returns: the image that decides now, or NULL: nothing has been asked for yet. */
static __always_inline const struct enf_image *enf_current_image(void)
{
	const struct enf_image *image = enf_image_at(ENF_IMAGE_CURRENT);

	if (image && image->expires_ns && bpf_ktime_get_boot_ns() >= image->expires_ns)
		image = enf_image_at(ENF_IMAGE_FALLBACK);
	return image;
}

#endif
