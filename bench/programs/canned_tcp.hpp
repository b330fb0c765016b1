// A TCP that answers just enough for a kernel peer on the same machine, and is no stack: what is left is the device's
// own limit. It meets the driver's concept of a stack, so it runs on io_uring, too.
//
// It does what the kernel forces it to do and copies each payload octet once: checksums are made (the kernel would drop
// the segments) and never verified. No retransmission but going back to snd.una after a silence, no congestion control,
// no options but MSS and window scale, no flow table: the peer's port is the index.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "arguments.hpp"
#include "tcpco/async/concepts.hpp"
#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco_bench {

using namespace tcpco;

class canned_tcp {
public:
    struct settings {
        bool offload = false;
        unsigned ack_every = 2;   // data frames per ACK; what is left over is acknowledged when nothing waits
        unsigned slots = 4;       // frames being sent at a time
        std::uint32_t window = 1'048'576;
        unsigned kept = 0;        // frames whose octets stay as they are after they were sent, as a stack must keep them
    };

    explicit canned_tcp(const settings& s)
        : settings_{s}, connections_(65'536), user_(std::make_unique<std::byte[]>(user_octets)), large_(s.slots + s.kept),
          small_(small_slots)
    {
        for (slot& l : large_) {
            l.octets.resize(header_room + (s.offload ? super_payload : plain_payload));
        }
        for (slot& l : small_) {
            l.octets.resize(128);
        }
    }

    // --- what a driver asks for ------------------------------------------------------------------------------------

    void receive(time_point, frame&& f) { input(f.data.octets()); }
    void advance(time_point) { acknowledge_all(); }
    time_point deadline() const noexcept { return held_ != 0 ? time_point::min() : time_point::never(); }
    bool has_output() const noexcept { return !replies_.empty() || can_send(); }
    void transmitted(transmit_token token) noexcept { release(token.index); }
    void dispatch(executor&) noexcept {}
    void device_lost(errc) noexcept {}

    template <class Sink>
    std::size_t transmit(time_point, Sink&& sink, std::size_t budget)
    {
        std::size_t n = 0;
        for (; n < budget && !replies_.empty(); ++n) {
            const std::uint32_t i = replies_.front();
            if (!offer(sink, i, frame_info{})) {
                return n;
            }
            replies_.erase(replies_.begin());
        }
        for (; n < budget && can_send(); ++n) {
            const std::uint32_t i = take_large();
            if (i == none) {
                return n;
            }
            const std::uint32_t before = connections_[sender_].snd_nxt;
            if (!offer(sink, i, fill_data(i))) {
                connections_[sender_].snd_nxt = before;
                slot_at(i).busy = false;
                return n;
            }
        }
        return n;
    }

    // --- and what a plain loop needs besides -----------------------------------------------------------------------

    void input(std::span<const std::byte> octets)
    {
        const auto link = parse_ethernet(octets);
        if (!link) {
            return;
        }
        peer_mac_ = link->header.source;
        if (link->header.type == ethertype::arp) {
            answer_arp(link->payload);
            return;
        }
        if (link->header.type != ethertype::ipv4) {
            return;
        }
        const auto packet = parse_ipv4(link->payload);
        if (!packet || packet->header.protocol != ip_protocol::tcp) {
            return;
        }
        if (const auto segment = parse_tcp(packet->payload)) {
            arrived(*segment);
        }
    }

    // Nothing waits to be read: what was held back is acknowledged.
    void acknowledge_all()
    {
        for (const std::uint16_t port : pending_) {
            connection& c = connections_[port];
            if (c.unacknowledged > 0) {
                acknowledge(c);
            }
        }
        pending_.clear();
    }

    // A silence: what was in flight is lost.
    void silence() noexcept
    {
        if (sender_ != 0) {
            connections_[sender_].snd_nxt = connections_[sender_].snd_una;
        }
    }

private:
    static constexpr std::uint32_t none = 0xFFFF'FFFF;
    static constexpr std::uint32_t small_base = 1u << 20;  // slot numbers from here on are small ones
    static constexpr std::uint32_t small_slots = 1'024;
    static constexpr std::size_t header_room = 54;
    static constexpr std::size_t plain_payload = 1'460;
    static constexpr std::size_t super_payload = 44 * plain_payload;
    static constexpr std::size_t user_octets = 256 * 1'024;
    static constexpr std::uint8_t window_shift = 5;
    static constexpr mac_address own_mac{{0x02, 0x74, 0x63, 0x70, 0x63, 0x6f}};
    static constexpr ip_address own = "198.18.0.2"_ip;
    static constexpr ip_address peer = "198.18.0.1"_ip;

    struct connection {
        std::uint32_t rcv_nxt = 0;
        std::uint32_t snd_una = 0;
        std::uint32_t snd_nxt = 0;
        std::uint32_t window = 0;  // the peer's, in octets
        std::uint16_t peer_port = 0;
        std::uint16_t own_port = 0;
        std::uint8_t shift = 0;
        unsigned unacknowledged = 0;  // frames
    };
    struct slot {
        std::vector<std::byte> octets{};
        std::size_t size = 0;
        bool busy = false;
    };

    slot& slot_at(std::uint32_t i) noexcept { return i >= small_base ? small_[i - small_base] : large_[i]; }
    static std::uint32_t take(std::vector<slot>& from, std::uint32_t base) noexcept
    {
        for (std::uint32_t i = 0; i < from.size(); ++i) {
            if (!from[i].busy) {
                from[i].busy = true;
                return base + i;
            }
        }
        return none;
    }
    // The one that was just sent, which is hot, or where octets are kept the one that was sent longest ago.
    std::uint32_t take_large() noexcept
    {
        if (settings_.kept == 0) {
            return take(large_, 0);
        }
        next_ = next_ + 1 < large_.size() ? next_ + 1 : 0;
        if (large_[next_].busy) {
            return none;
        }
        large_[next_].busy = true;
        return next_;
    }
    void release(std::uint32_t i) noexcept
    {
        slot_at(i).busy = false;
        --held_;
    }

    template <class Sink>
    bool offer(Sink& sink, std::uint32_t i, frame_info info)
    {
        slot& s = slot_at(i);
        const std::span<const std::byte> whole{s.octets.data(), s.size};
        const std::array<std::span<const std::byte>, 1> pieces{whole};
        ++held_;
        const sink_verdict verdict = sink(outgoing_frame{pieces, info, {i}});
        if (verdict == sink_verdict::refused) {
            --held_;
            return false;
        }
        if (verdict == sink_verdict::done) {
            release(i);
        }
        return true;
    }

    bool can_send() const noexcept
    {
        if (sender_ == 0) {
            return false;
        }
        const connection& c = connections_[sender_];
        const std::uint32_t in_flight = c.snd_nxt - c.snd_una;
        return in_flight + plain_payload <= c.window;
    }

    frame_info fill_data(std::uint32_t i)
    {
        connection& c = connections_[sender_];
        const std::size_t room = c.window - (c.snd_nxt - c.snd_una);
        std::size_t n = std::min(room, settings_.offload ? super_payload : plain_payload);
        n -= n % plain_payload;
        slot& s = slot_at(i);
        std::byte* payload = s.octets.data() + header_room;
        frame_info info;
        std::uint16_t sum = 0;
        if (settings_.offload) {
            std::memcpy(payload, user_.get(), n);
            info.checksum = checksum_state::partial;
            info.gso_type = n > plain_payload ? gso_kind::tcp_v4 : gso_kind::none;
            info.gso_size = static_cast<std::uint16_t>(plain_payload);
            info.wire_segments = static_cast<std::uint16_t>(n / plain_payload);
        } else {
            checksum_accumulator a;
            a.copy_and_add({user_.get(), n}, payload);
            sum = a.folded();
        }
        write_headers(s, c, tcp_flag::ack, {}, n, sum, info.checksum == checksum_state::partial);
        c.snd_nxt += static_cast<std::uint32_t>(n);
        c.unacknowledged = 0;
        return info;
    }

    // Headers before `payload` octets that are there already and whose sum is `sum`.
    void write_headers(slot& s, const connection& c, std::uint16_t flags, const tcp_options& options,
                       std::size_t payload, std::uint16_t sum, bool partial)
    {
        const std::size_t tcp_size = tcp_header_size + encoded_size(options);
        std::span<std::byte> out{s.octets};
        s.size = 34 + tcp_size + payload;
        out = out.subspan(write_ethernet({.destination = peer_mac_, .source = own_mac, .type = ethertype::ipv4}, out));
        out = out.subspan(write_ipv4({.total_length = static_cast<std::uint16_t>(20 + tcp_size + payload),
                                      .ttl = 64,
                                      .protocol = ip_protocol::tcp,
                                      .source = own.v4(),
                                      .destination = peer.v4()},
                                     out));
        const std::uint32_t window = (flags & tcp_flag::syn) != 0 ? 65'535 : settings_.window >> window_shift;
        write_tcp({.source_port = c.own_port,
                   .destination_port = c.peer_port,
                   .seq = {c.snd_nxt},
                   .ack = {c.rcv_nxt},
                   .flags = flags,
                   .window = static_cast<std::uint16_t>(window)},
                  options, out);
        auto all = pseudo_header(own, peer, ip_protocol::tcp, static_cast<std::uint32_t>(tcp_size + payload));
        if (!partial) {
            all.add(out.first(tcp_size));
            all.add16(sum);
        }
        write_tcp_checksum(partial ? all.folded() : all.checksum(), out);
    }

    void reply(connection& c, std::uint16_t flags, std::span<const std::byte> payload = {},
               const tcp_options& options = {})
    {
        const std::uint32_t i = take(small_, small_base);
        if (i == none || payload.size() > 16) {
            return;
        }
        slot& s = slot_at(i);
        checksum_accumulator sum;
        if (!payload.empty()) {
            sum.copy_and_add(payload, s.octets.data() + header_room);
        }
        write_headers(s, c, flags, options, payload.size(), sum.folded(), false);
        c.snd_nxt += static_cast<std::uint32_t>(payload.size()) + ((flags & (tcp_flag::syn | tcp_flag::fin)) != 0);
        c.unacknowledged = 0;
        replies_.push_back(i);
    }
    void acknowledge(connection& c) { reply(c, tcp_flag::ack); }

    void arrived(const tcp_segment& segment)
    {
        const tcp_header& h = segment.header;
        connection& c = connections_[h.source_port];
        if (h.has(tcp_flag::rst)) {
            sender_ = sender_ == h.source_port ? std::uint16_t{0} : sender_;
            c = {};
            return;
        }
        if (h.has(tcp_flag::syn)) {
            open(c, segment);
            return;
        }
        if (c.own_port == 0) {
            return;
        }
        c.snd_una = h.ack.value;
        c.window = std::uint32_t{h.window} << c.shift;
        if (c.own_port == source_port && sender_ == 0) {
            sender_ = h.source_port;
        }
        if (!segment.payload.empty()) {
            take_text(c, segment);
        }
        if (h.has(tcp_flag::fin) && h.seq.value + segment.payload.size() == c.rcv_nxt) {
            ++c.rcv_nxt;
            sender_ = sender_ == h.source_port ? std::uint16_t{0} : sender_;
            reply(c, tcp_flag::ack | tcp_flag::fin);
        }
    }

    void open(connection& c, const tcp_segment& syn)
    {
        const tcp_options offered = parse_tcp_options(syn.options);
        c = {.rcv_nxt = syn.header.seq.value + 1,
             .peer_port = syn.header.source_port,
             .own_port = syn.header.destination_port,
             .shift = offered.window_scale};
        const tcp_options ours{.has_mss = true,
                               .has_window_scale = true,
                               .window_scale = window_shift,
                               .mss = static_cast<std::uint16_t>(plain_payload)};
        c.snd_nxt = c.snd_una = syn.header.seq.value ^ 0x5555'5555;
        reply(c, tcp_flag::syn | tcp_flag::ack, {}, ours);
    }

    void take_text(connection& c, const tcp_segment& segment)
    {
        if (segment.header.seq.value != c.rcv_nxt) {
            acknowledge(c);
            return;
        }
        c.rcv_nxt += static_cast<std::uint32_t>(segment.payload.size());
        if (c.own_port == echo_port) {
            reply(c, tcp_flag::ack | tcp_flag::psh, segment.payload);
            return;
        }
        std::memcpy(user_.get(), segment.payload.data(), segment.payload.size());
        if (++c.unacknowledged >= settings_.ack_every) {
            acknowledge(c);
        } else if (c.unacknowledged == 1) {
            pending_.push_back(c.peer_port);
        }
    }

    void answer_arp(std::span<const std::byte> octets)
    {
        const auto asked = parse_arp(octets);
        const std::uint32_t i = take(small_, small_base);
        if (!asked || asked->target_ip != own.v4() || i == none) {
            return;
        }
        slot& s = slot_at(i);
        std::span<std::byte> out{s.octets};
        s.size = write_ethernet({.destination = asked->sender_mac, .source = own_mac, .type = ethertype::arp}, out);
        s.size += write_arp({.operation = arp_operation::reply,
                             .sender_mac = own_mac,
                             .sender_ip = own.v4(),
                             .target_mac = asked->sender_mac,
                             .target_ip = asked->sender_ip},
                            out.subspan(s.size));
        replies_.push_back(i);
    }

    settings settings_;
    std::vector<connection> connections_;
    std::unique_ptr<std::byte[]> user_;
    std::vector<slot> large_;
    std::vector<slot> small_;
    std::vector<std::uint32_t> replies_{};  // small slots, in order
    std::vector<std::uint16_t> pending_{};  // peer ports with something unacknowledged
    std::uint32_t next_ = 0;                // where take_large() goes round
    std::size_t held_ = 0;                  // slots that a device holds
    std::uint16_t sender_ = 0;              // the peer port that the source serves
    mac_address peer_mac_{};
};

}  // namespace tcpco_bench
