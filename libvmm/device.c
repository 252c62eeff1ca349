// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening the device node and asking it what it can do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmm/device.h>
#include <vmm/error.h>

static int open_failed(const char *path, int err)
{
	const char *module = strstr(path, "kvm") ? "kvm_intel or kvm_amd" : "vmm";

	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return vmm_fail(err,
				"no device %s: load the module (as root: modprobe %s, or in the source tree: make load)",
				path, module);
	case EACCES:
	case EPERM:
		return vmm_fail(err,
				"no permission to open %s: join the group that owns it (see ls -l %s) or run as root",
				path, path);
	case EBUSY:
		return vmm_fail(err, "%s is busy: another hypervisor is using the processor", path);
	default:
		return vmm_fail(err, "cannot open %s: %s", path, strerror(err));
	}
}

static int device_check(struct vmm_device *dev)
{
	int version = ioctl(dev->fd, KVM_GET_API_VERSION, 0);
	int size;

	if (version < 0)
		return vmm_fail(ENODEV, "%s is not a device that hosts virtual machines: %s",
				dev->path, strerror(errno));
	if (version != KVM_API_VERSION)
		return vmm_fail(EPROTO, "%s speaks API version %d, this program speaks %d",
				dev->path, version, KVM_API_VERSION);
	size = ioctl(dev->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return vmm_fail(EPROTO, "%s: KVM_GET_VCPU_MMAP_SIZE answers %d", dev->path, size);
	dev->run_size = size;
	return 0;
}

int vmm_device_open(struct vmm_device *dev, const char *path)
{
	const char *name = path ? path : "/dev/vmm";
	int err;

	memset(dev, 0, sizeof(*dev));
	dev->fd = open(name, O_RDWR | O_CLOEXEC);
	err = errno;
	if (dev->fd < 0 && !path && err == ENOENT) {
		dev->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		/* With neither there, the advice is about our own module. */
		if (dev->fd >= 0 || errno != ENOENT) {
			name = "/dev/kvm";
			err = errno;
		}
	}
	if (dev->fd < 0)
		return open_failed(name, err);
	snprintf(dev->path, sizeof(dev->path), "%s", name);
	err = device_check(dev);
	if (err)
		vmm_device_close(dev);
	return err;
}

void vmm_device_close(struct vmm_device *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

int vmm_device_cap(const struct vmm_device *dev, long cap)
{
	int ret = ioctl(dev->fd, KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

int vmm_device_cpuid(const struct vmm_device *dev, struct kvm_cpuid2 **out)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + VMM_CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return vmm_fail(ENOMEM, "no memory for the CPUID table");
	cpuid->nent = VMM_CPUID_MAX;
	if (ioctl(dev->fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int err = errno;

		free(cpuid);
		return vmm_fail(err, "%s: KVM_GET_SUPPORTED_CPUID: %s", dev->path, strerror(err));
	}
	*out = cpuid;
	return 0;
}
