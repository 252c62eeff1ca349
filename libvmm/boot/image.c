// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Images: bounds-checked reading, so that no parser handles an offset itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmm/boot.h>
#include <vmm/error.h>

int vmm_image_open(struct vmm_image *img, const char *path)
{
	struct stat st;
	int err;

	memset(img, 0, sizeof(*img));
	img->name = path;
	img->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (img->fd < 0)
		return vmm_fail(errno, "cannot open %s: %s", path, strerror(errno));
	if (fstat(img->fd, &st) < 0) {
		err = vmm_fail(errno, "cannot read %s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		err = vmm_fail(EINVAL, "%s is not a regular file", path);
	} else {
		img->size = st.st_size;
		return 0;
	}
	vmm_image_close(img);
	return err;
}

void vmm_image_close(struct vmm_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
	img->size = 0;
}

int vmm_image_read(const struct vmm_image *img, uint64_t off, void *dst, uint64_t len)
{
	uint8_t *to = dst;

	if (off > img->size || len > img->size - off)
		return vmm_fail(ENOEXEC,
				"%s is truncated: %" PRIu64 " bytes at offset %" PRIu64 " are wanted, the file has %" PRIu64,
				img->name, len, off, img->size);
	if (img->fd < 0) {
		memcpy(dst, img->data + off, len);
		return 0;
	}
	while (len) {
		ssize_t n = pread(img->fd, to, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmm_fail(errno, "cannot read %s: %s", img->name, strerror(errno));
		if (n == 0)
			return vmm_fail(ENOEXEC, "%s became shorter while it was read", img->name);
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}
