// Makes a TAP and throws it away again: the only sure answer to "may I?". Meant to run inside a network namespace of its own.
// Exits with 0, or prints in one line why not and what to do about it and exits with 1.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

const char* advice(int error)
{
    switch (error) {
    case ENOENT: return "load the module: modprobe tun; in Docker: --device /dev/net/tun --cap-add NET_ADMIN";
    case EACCES: return "the node is closed to you: chmod 0666 it, run as root, or name another in TCPCO_TUN";
    case EPERM: return "CAP_NET_ADMIN is missing; in Docker: --device /dev/net/tun --cap-add NET_ADMIN";
    case ENODEV:
    case ENXIO: return "the kernel has no TUN/TAP driver: modprobe tun";
    default: return "not expected here";
    }
}

int refuse(const char* what, const char* node, int error)
{
    std::printf("%s %s: %s (%s)\n", what, node, std::strerror(error), advice(error));
    return 1;
}

}  // namespace

int main()
{
    const char* named = std::getenv("TCPCO_TUN");
    const char* node = named != nullptr && *named != '\0' ? named : "/dev/net/tun";
    const int fd = open(node, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return refuse("cannot open", node, errno);
    }
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strcpy(request.ifr_name, "probe%d");
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        return refuse("cannot make a TAP with", node, errno);
    }
    close(fd);
    return 0;
}
