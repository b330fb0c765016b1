// Why a device could not be opened or set up, and what to do about it.
//
//     device_error error;
//     tap link = tap::open({.name = "tap0"}, error);
//     if (error) { std::cerr << explain(error) << '\n'; }
//
// The code compares with std::errc and with tcpco::errc; the text of explain() names the next thing to type.
#pragma once

#include <string>
#include <system_error>

namespace tcpco {

// What was being done when it failed.
enum class device_step {
    open_node,      // opening /dev/net/tun
    find_interface, // it had to exist, and does not
    attach,         // TUNSETIFF: making the interface, or joining one
    query,          // asking for index, MTU or kind
    adopt,          // taking over a descriptor that somebody else made
    set_up,         // address, MTU, state of the kernel's side
};

class [[nodiscard]] device_error {
public:
    device_error() = default;
    device_error(std::error_code ec, device_step s, std::string what, std::string node_path = {})
        : code_{ec}, step_{s}, name_{std::move(what)}, node_{std::move(node_path)}
    {
    }

    explicit operator bool() const noexcept { return static_cast<bool>(code_); }
    const std::error_code& code() const noexcept { return code_; }
    device_step step() const noexcept { return step_; }
    const std::string& name() const noexcept { return name_; }  // of the interface, or what else was being opened
    const std::string& node() const noexcept { return node_; }  // the path of the device node

private:
    std::error_code code_{};
    device_step step_ = device_step::open_node;
    std::string name_{};
    std::string node_{};
};

namespace detail {

inline std::string explain_node(const device_error& e)
{
    const std::string& node = e.node();
    if (e.code() == std::errc::no_such_file_or_directory) {
        return "there is no " + node + ". As root: mkdir -p /dev/net && mknod " + node +
               " c 10 200 && chmod 0666 " + node + "; in a container, start it with --device /dev/net/tun; "
               "or name another node in TCPCO_TUN";
    }
    if (e.code() == std::errc::no_such_device || e.code() == std::errc::no_such_device_or_address) {
        return node + " has no driver behind it. As root: modprobe tun; in a container: its host has to";
    }
    if (e.code() == std::errc::permission_denied) {
        return node + " is closed to this user. As root: chmod 0666 " + node +
               " (attaching still asks for CAP_NET_ADMIN), or make another node and name it in TCPCO_TUN";
    }
    if (e.code() == std::errc::operation_not_permitted) {
        return node + " may not be opened here: the container forbids the device. Start it with --device /dev/net/tun";
    }
    return "cannot open " + node + ": " + e.code().message();
}

inline std::string explain_attach(const device_error& e)
{
    if (e.code() == std::errc::operation_not_permitted) {
        return "making or joining interface " + e.name() + " asks for CAP_NET_ADMIN. Run it in a namespace of its own "
               "(unshare -Urn COMMAND) or as root, or let root make it for you: ip tuntap add dev " +
               e.name() + " mode tap user $USER (or mode tun)";
    }
    if (e.code() == std::errc::device_or_resource_busy) {
        return "interface " + e.name() + " is in use by another program. End that one, or choose another name";
    }
    if (e.name().empty() || e.name().size() > 15 || e.name().find_first_of("/: \t\n") != std::string::npos) {
        return "'" + e.name() + "' cannot be the name of an interface: those have 1 to 15 characters, no / : or space";
    }
    if (e.code() == std::errc::invalid_argument) {
        return "interface " + e.name() + " exists, but is no TAP or TUN of the wanted kind (see: ip -d link show dev " +
               e.name() + "). Choose another name";
    }
    return "cannot attach to interface " + e.name() + ": " + e.code().message();
}

}  // namespace detail

// One line: what is wrong, and what to do. Empty without an error.
inline std::string explain(const device_error& e)
{
    if (!e) {
        return {};
    }
    switch (e.step()) {
    case device_step::open_node: return detail::explain_node(e);
    case device_step::find_interface:
        return "there is no interface " + e.name() + " in this network namespace. Make it: ip tuntap add dev " +
               e.name() + " mode tap (or mode tun), or let the program create it";
    case device_step::attach: return detail::explain_attach(e);
    case device_step::query: return "cannot query " + e.name() + ": " + e.code().message();
    case device_step::adopt:
        return "descriptor " + e.name() + " cannot be a device: " + e.code().message() +
               ". It has to keep frame boundaries: a TAP, a TUN, or a socket of SOCK_SEQPACKET or SOCK_DGRAM; and a "
               "virtio_net_hdr, if it has one, of 10 or 12 octets";
    case device_step::set_up:
        if (e.code() == std::errc::operation_not_permitted) {
            return "setting up interface " + e.name() + " asks for CAP_NET_ADMIN. Run it in a namespace of its own "
                   "(unshare -Urn COMMAND) or as root";
        }
        return "cannot set up interface " + e.name() + ": " + e.code().message();
    }
    return e.code().message();
}

// The throwing forms throw this: std::system_error whose what() holds the explanation.
[[noreturn]] inline void throw_device_error(const device_error& e)
{
    throw std::system_error{e.code(), explain(e)};
}

}  // namespace tcpco
