// basic_stack: segments that continue one another become one (tcp/gathered_text.hpp). Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

// Adds to the segment `f`, which is as expected and not damaged, what continues it in `next`: its first frames, cut to
// their text.
template <class B>
void basic_stack<B>::gather(const connection_type& c, frame& f, std::span<frame> next, prediction<B>& p)
{
    const std::byte* const first = f.data.data;
    const std::uint32_t each = f.data.size - p.head;
    const std::size_t link = network_.link_header();
    const auto before = static_cast<std::uint32_t>(link + ipv4_header_size);
    const octet_count most = std::min<octet_count>(gathered_text::most, c.rcv.wnd());
    octet_count size = each;
    std::size_t n = 0;
    for (bool ends = p.psh || each == 0 || f.info.wire_segments != 1; !ends && n < next.size(); ++n) {
        frame& g = next[n];
        if (g.data.size <= before + p.head || g.data.size - before - p.head > each || g.info.wire_segments != 1 ||
            recent_.compare(g.data.octets(), link) != likeness::connection) {
            break;
        }
        const std::byte* const tcp = g.data.data + before;
        const std::uint32_t text = g.data.size - before - p.head;
        if (read_be32(tcp + 4) != read_be32(first + 4) + static_cast<std::uint32_t>(size) || size + text > most ||
            !says_the_same(first, tcp, p.head) ||
            (g.info.checksum == checksum_state::verify &&
             !ipv4_transport_checksum_good(ip_protocol::tcp, tcp, g.data.size - before))) {
            break;
        }
        p.psh = (std::to_integer<unsigned>(tcp[13]) & tcp_flag::psh) != 0;
        ends = p.psh || text < each;
        g.data.remove_prefix(before + p.head);
        size += text;
    }
    if (n > 0) {
        p.more = {next.first(n), size - each};
        f.info.wire_segments = static_cast<std::uint16_t>(n + 1);
        f.info.gso_size = static_cast<std::uint16_t>(each);
        host.counters.frames_received += n;
        host.counters.frames_gathered += n;
    }
}

// For builds with TCPCO_BOTH_WAYS: the segment and what was gathered as the one that a device would have made of it.
// Empty: there is no slot for that.
template <class B>
slice basic_stack<B>::put_together(const frame& f, const prediction<B>& p)
{
    if (p.more.frames.empty()) {
        return f.data;
    }
    buffer slot = jumbos_.available() > 1 ? jumbos_.acquire() : buffer{};
    if (!slot || slot.capacity() < f.data.size + static_cast<std::size_t>(p.more.octets)) {
        return {};
    }
    std::byte* const first = slot.data();
    std::byte* at = std::copy_n(f.data.data, f.data.size, first);
    if (p.psh) {
        first[13] |= std::byte{tcp_flag::psh};
    }
    for (const frame& g : p.more.frames) {
        at = std::copy_n(g.data.data, g.data.size, at);
    }
    return {std::move(slot), first, static_cast<std::uint32_t>(at - first)};
}

}  // namespace tcpco
