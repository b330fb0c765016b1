// The network layer of a stack: Ethernet, ARP, IPv4 and ICMP (RFC 894, 826, 791, 792, 1122).
//
// It takes frames in, answers what concerns it alone (ARP, echo, unreachable), and hands TCP segments and ICMP errors
// about them up. On the way out it knows the next hop and writes the link and IP headers. What it has to say itself
// waits in a bounded queue; the stack transmits that queue first.
//
// Left out: IPv6, fragments (dropped and counted), forwarding, options, RFC 5227.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>

#include "tcpco/stack/config.hpp"
#include "tcpco/stack/datagram.hpp"
#include "tcpco/stack/icmp_notice.hpp"
#include "tcpco/stack/neighbour_cache.hpp"
#include "tcpco/stack/own_address.hpp"
#include "tcpco/stack/reply_queue.hpp"
#include "tcpco/storage/frame.hpp"
#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco {

class network_layer {
public:
    using neighbour = neighbour_cache::index;
    static constexpr neighbour no_neighbour = neighbour_cache::npos;

    // `pool`, `large`: slots for replies, of 2 KiB and more. The references must outlive this object.
    network_layer(const network_config& c, std::uint32_t reply_limit, siphash_key key, buffer_pool& pool,
                  buffer_pool& large, stack_counters& counters)
        : config_{c}, counters_{counters}, replies_{reply_limit, pool, large, counters},
          neighbours_{{.limit = c.neighbours,
                       .lifetime = c.neighbour_lifetime,
                       .interval = c.arp_interval,
                       .tries = c.arp_tries},
                      key}
    {
    }

    const network_config& config() const noexcept { return config_; }
    void set_device(std::uint16_t mtu, bool ethernet) noexcept
    {
        config_.mtu = std::max<std::uint16_t>(mtu, 576);  // RFC 1122 3.3.3: what every host can take
        config_.ethernet = ethernet;
    }
    void set_address(const ip_prefix& address) noexcept
    {
        config_.address = address;
        own_ = own_address{address};
    }
    std::size_t link_header() const noexcept { return config_.ethernet ? ethernet_header_size : 0; }

    // --- in --------------------------------------------------------------------------------------------------------

    // One frame. True: it is a TCP segment for this stack, which is in `out`; everything else is dealt with here, or
    // dropped and counted. `looped`: it came from this stack itself.
    bool receive(time_point now, frame&& f, datagram& out, bool looped = false)
    {
        looped_ = looped;
        out.info = f.info;
        if (!config_.ethernet) {
            return receive_ip(now, std::move(f.data), out, false);
        }
        const auto link = parse_ethernet(f.data.octets());
        if (!link) {
            return drop(drop_reason::frame_too_short);
        }
        const mac_address destination = link->header.destination;
        if (destination != config_.mac && !destination.is_multicast()) {
            return drop(drop_reason::wrong_mac);
        }
        if (link->header.type == ethertype::arp) {
            receive_arp(now, link->payload);
            return false;
        }
        if (link->header.type != ethertype::ipv4) {
            return drop(drop_reason::unknown_ethertype);
        }
        f.data.remove_prefix(ethernet_header_size);
        return receive_ip(now, std::move(f.data), out, destination.is_multicast());
    }

    // The ICMP error that the last receive() met, once.
    std::optional<icmp_notice> take_notice() noexcept { return std::exchange(notice_, std::nullopt); }

    // --- routes ----------------------------------------------------------------------------------------------------

    bool is_ours(const ip_address& a) const noexcept { return own_.is_ours(a); }
    bool is_local(const auto& a) const noexcept { return own_.is_local(a); }
    // The destination of a frame that write_headers() began, ARP aside.
    bool loops(std::span<const std::byte> whole) const noexcept
    {
        const auto ip = whole.subspan(std::min(link_header(), whole.size()));
        return ip.size() >= ipv4_header_size && std::to_integer<unsigned>(ip[0]) >> 4 == 4 &&
               is_local(ip_address{read_ipv4_address(ip.data() + 16)});
    }
    // The address that connections to `remote` come from.
    ip_address source_for(const ip_address& remote) const noexcept
    {
        return is_local(remote) ? remote : config_.address.address;
    }

    // ok, or why packets to `remote` cannot leave (MUST-46: no broadcast, multicast or unspecified peers).
    errc reachable(const ip_address& remote) const noexcept
    {
        if (!remote.is_v4() || remote.is_unspecified() || remote.is_multicast() || own_.is_broadcast(remote.v4()) ||
            own_.is_network(remote.v4())) {
            return errc::address_not_available;
        }
        const bool direct = !config_.ethernet || config_.address.contains(remote) || is_local(remote);
        return direct || !config_.gateway.is_unspecified() ? errc::ok : errc::network_unreachable;
    }

    // The MAC address to send to, when it is known now. `cached` is the caller's memory of the entry. Without
    // Ethernet: any. nullopt: wait for take_resolved() or take_unreachable().
    std::optional<mac_address> next_hop(const ip_address& remote, neighbour& cached, time_point now)
    {
        if (!config_.ethernet) {
            return mac_address{};
        }
        if (is_local(remote)) {
            return config_.mac;
        }
        const ipv4_address hop = (config_.address.contains(remote) ? remote : config_.gateway).v4();
        if (!neighbours_.holds(cached, hop)) {
            cached = neighbours_.entry_of(hop);
            if (cached == no_neighbour) {
                retry_at_ = std::min(retry_at_, now + config_.arp_interval);  // until a place in the cache is free
                return std::nullopt;
            }
        }
        const auto mac = neighbours_.mac_of(cached, now);
        if (!mac) {
            ask_due(now);
        }
        return mac;
    }

    const neighbour_cache& neighbours() const noexcept { return neighbours_; }
    bool set_neighbour(ipv4_address address, mac_address mac) { return neighbours_.set_permanent(address, mac); }

    // What was sent there may not arrive (MUST-20): is the neighbour still where it was?
    void doubt(neighbour n, time_point now)
    {
        if (n != no_neighbour) {
            neighbours_.doubt(n, now);
        }
    }

    // Whether an address was resolved since the last call, and whether one did not answer.
    bool take_resolved() noexcept { return resolved_ && std::exchange(resolved_, false); }
    bool take_unreachable() noexcept { return unreachable_ && std::exchange(unreachable_, false); }
    bool is_unreachable(neighbour n) const noexcept { return n != no_neighbour && neighbours_.failed(n); }

    // --- time ------------------------------------------------------------------------------------------------------

    void advance(time_point now)
    {
        ask_due(now);
        if (now >= retry_at_) {
            retry_at_ = time_point::never();
            resolved_ = true;
        }
    }
    time_point deadline() const noexcept { return std::min(neighbours_.deadline(), retry_at_); }

    // --- out -------------------------------------------------------------------------------------------------------

    // Writes link and IPv4 header of a packet with `payload` octets behind them to `out`; returns their size.
    std::size_t write_headers(std::span<std::byte> out, const ip_address& source, const ip_address& destination,
                              mac_address next_hop, ip_protocol protocol, std::size_t payload, std::uint8_t dscp = 0,
                              std::uint8_t ecn = ecn_codepoint::not_ect)
    {
        std::size_t at = 0;
        if (config_.ethernet) {
            at = write_ethernet({.destination = next_hop, .source = config_.mac, .type = ethertype::ipv4}, out);
        }
        ipv4_header header;
        header.dscp = dscp;
        header.ecn = ecn;
        header.total_length = static_cast<std::uint16_t>(ipv4_header_size + payload);
        header.identification = identification_;
        header.dont_fragment = config_.path_mtu_discovery;  // RFC1191-2a
        header.ttl = config_.ttl;
        header.protocol = protocol;
        header.source = source.v4();
        header.destination = destination.v4();
        return at + write_ipv4(header, out.subspan(at));
    }

    // A packet whose headers were written was taken by the device: the next one gets another identification.
    void packet_left() noexcept { ++identification_; }
    std::uint16_t identification() const noexcept { return identification_; }  // of the next one

    // Queues a small TCP segment that belongs to no connection.
    void reply_segment(const stateless_segment& segment, time_point now)
    {
        std::array<std::byte, max_tcp_header_size> room{};
        const std::size_t size = write_tcp(tcp_header{.source_port = segment.local.port,
                                                      .destination_port = segment.remote.port,
                                                      .seq = segment.seq,
                                                      .ack = segment.ack,
                                                      .flags = segment.flags,
                                                      .window = segment.window},
                                           segment.options, room);
        const std::span<std::byte> octets = std::span{room}.first(size);
        const std::array pieces{std::span<const std::byte>{octets}};
        write_tcp_checksum(transport_checksum(segment.local.address, segment.remote.address, ip_protocol::tcp, pieces),
                           octets);
        queue_packet(segment.local.address, segment.remote.address, ip_protocol::tcp, pieces, now);
    }

    bool has_output() const noexcept { return !replies_.empty(); }

    // Offers the queued replies to sink(frame slice) -> sink_verdict, at most `budget`; returns how many it took.
    template <class Sink>
    std::size_t transmit(Sink&& sink, std::size_t budget)
    {
        return replies_.transmit(sink, budget);
    }

private:
    bool drop(drop_reason reason) noexcept { return counters_.drop(reason), false; }
    // RFC 826. Only senders on our own subnet are believed, and a new entry is made only for one that asks for us.
    void receive_arp(time_point now, std::span<const std::byte> octets)
    {
        const auto arp = parse_arp(octets);
        if (!arp || arp->sender_mac.is_multicast() || !config_.address.address.is_v4()) {
            counters_.drop(drop_reason::arp_malformed);
            return;
        }
        const ipv4_address own = config_.address.address.v4();
        const bool for_us = arp->target_ip == own;
        const ip_address sender{arp->sender_ip};
        if (!arp->sender_ip.is_unspecified() && arp->sender_ip != own && config_.address.contains(sender)) {
            resolved_ |= neighbours_.learn(arp->sender_ip, arp->sender_mac, for_us, now,
                                           [this](slice&& packet, mac_address mac) {
                                               address_frame(packet, mac);
                                               replies_.push(std::move(packet));
                                           });
        }
        if (for_us && arp->operation == arp_operation::request) {
            queue_arp({.operation = arp_operation::reply,
                       .sender_mac = config_.mac,
                       .sender_ip = own,
                       .target_mac = arp->sender_mac,
                       .target_ip = arp->sender_ip},
                      arp->sender_mac);
        }
    }

    bool receive_ip(time_point now, slice&& packet, datagram& out, bool link_broadcast)
    {
        if (packet.size > 0 && std::to_integer<unsigned>(packet.data[0]) >> 4 == 6) {
            return drop(drop_reason::unknown_ethertype);  // IPv6 has no layer here yet
        }
        const auto ip = parse_ipv4(packet.octets());
        if (!ip) {
            return drop(ip.error == ipv4_error::bad_checksum ? drop_reason::ip_checksum
                        : ip.error == ipv4_error::truncated  ? drop_reason::frame_too_short
                                                             : drop_reason::ip_malformed);
        }
        const ipv4_header& header = ip->header;
        if (header.source.is_multicast() || header.source.is_unspecified() || own_.is_broadcast(header.source) ||
            (!looped_ && own_.is_local(header.source))) {
            return drop(drop_reason::ip_bad_source);  // MUST-63
        }
        const bool to_many = own_.is_broadcast(header.destination) || header.destination.is_multicast();
        const bool broadcast = link_broadcast || to_many;
        if (!broadcast && !(looped_ ? own_.is_local(header.destination) : own_.is_ours(header.destination))) {
            return drop(drop_reason::ip_not_ours);
        }
        if (header.is_fragment()) {
            return drop(drop_reason::ip_fragment);
        }
        switch (header.protocol) {
        case ip_protocol::tcp:
            if (broadcast) {
                return drop(drop_reason::tcp_to_broadcast);  // MUST-57
            }
            out.source = header.source;
            out.destination = header.destination;
            out.plain = !looped_ && ip->options.empty();
            out.payload = payload_slice(packet, ip->payload);
            out.ecn = header.ecn;
            return true;
        case ip_protocol::icmp: receive_icmp(now, *ip, broadcast); return false;
        default:
            counters_.drop(drop_reason::ip_unknown_protocol);
            if (!broadcast) {
                reply_unreachable(now, *ip, packet.octets());
            }
            return false;
        }
    }

    static slice payload_slice(slice& packet, std::span<const std::byte> payload) noexcept
    {
        return slice{std::move(packet.owner), payload.data(), static_cast<std::uint32_t>(payload.size())};
    }

    void receive_icmp(time_point now, const ipv4_packet& ip, bool broadcast)
    {
        const auto message = parse_icmp(ip.payload);
        if (!message) {
            counters_.drop(drop_reason::icmp_malformed);
            return;
        }
        if (message->header.type == icmp_type::echo_request) {
            if (broadcast) {
                counters_.drop(drop_reason::icmp_ignored);  // RFC 1122 3.2.2.6: may be ignored, and smurfs are why
                return;
            }
            icmp_header reply = message->header;
            reply.type = icmp_type::echo_reply;
            std::array<std::byte, icmp_header_size> head{};
            const std::array body{message->body};
            write_icmp(reply, body, head);
            const std::array pieces{std::span<const std::byte>{head}, message->body};
            queue_packet(source_for(ip.header.source), ip.header.source, ip_protocol::icmp, pieces, now);
            return;
        }
        notice_ = notice_of(*message, config_.address.address);
        if (!notice_) {
            counters_.drop(drop_reason::icmp_ignored);
        }
    }

    // RFC 1122 3.2.2.1: protocol unreachable; port unreachable for UDP, which nobody listens to. At most 100 a second
    // (RFC 1812 4.3.2.8 asks for a limit and names none).
    void reply_unreachable(time_point now, const ipv4_packet& ip, std::span<const std::byte> packet)
    {
        if (now - unreachable_window_ >= duration{1'000'000'000} || unreachable_window_ == time_point{}) {
            unreachable_window_ = now;
            unreachable_credit_ = 100;
        }
        if (unreachable_credit_ == 0) {
            counters_.drop(drop_reason::reply_queue_full);
            return;
        }
        --unreachable_credit_;
        const bool udp = ip.header.protocol == ip_protocol::udp;
        const auto head_size = static_cast<std::size_t>(ip.payload.data() - packet.data());
        const std::array quoted{packet.first(std::min(head_size + ip.payload.size(), head_size + 8))};
        std::array<std::byte, icmp_header_size> head{};
        write_icmp(icmp_header::unreachable(udp ? icmp_unreachable::port : icmp_unreachable::protocol), quoted, head);
        const std::array pieces{std::span<const std::byte>{head}, quoted[0]};
        queue_packet(config_.address.address, ip.header.source, ip_protocol::icmp, pieces, now);
    }

    // --- replies: whole frames in slots, the link header first -----------------------------------------------------

    void queue_packet(const ip_address& source, const ip_address& destination, ip_protocol protocol,
                      std::span<const std::span<const std::byte>> pieces, time_point now)
    {
        std::size_t payload = 0;
        for (const auto& piece : pieces) {
            payload += piece.size();
        }
        const std::size_t size = link_header() + ipv4_header_size + payload;
        if (reachable(destination) != errc::ok) {
            counters_.drop(drop_reason::no_route);
            return;
        }
        buffer slot = replies_.slot_for(size);
        if (!slot) {
            return;
        }
        neighbour hop = no_neighbour;
        const auto mac = next_hop(destination, hop, now);
        const std::span<std::byte> out{slot.data(), size};
        std::byte* at =
            slot.data() + write_headers(out, source, destination, mac.value_or(mac_address{}), protocol, payload);
        for (const auto& piece : pieces) {
            at = std::copy(piece.begin(), piece.end(), at);
        }
        packet_left();
        const std::byte* first = slot.data();
        slice whole{std::move(slot), first, static_cast<std::uint32_t>(size)};
        if (mac) {
            replies_.push(std::move(whole));
        } else if (hop == no_neighbour || !neighbours_.hold(hop, std::move(whole))) {
            counters_.drop(drop_reason::neighbour_unresolved);
        }
    }

    void queue_arp(const arp_packet& packet, mac_address destination)
    {
        if (!config_.ethernet) {
            return;
        }
        buffer slot = replies_.slot_for(ethernet_header_size + arp_packet_size);
        if (!slot) {
            return;
        }
        const std::span<std::byte> out{slot.data(), ethernet_header_size + arp_packet_size};
        const std::size_t head =
            write_ethernet({.destination = destination, .source = config_.mac, .type = ethertype::arp}, out);
        write_arp(packet, out.subspan(head));
        const std::byte* first = slot.data();
        replies_.push(slice{std::move(slot), first, static_cast<std::uint32_t>(out.size())});
    }

    static void address_frame(slice& whole, mac_address destination) noexcept
    {
        std::memcpy(whole.owner.data(), destination.octets.data(), destination.octets.size());
    }

    void ask_due(time_point now)
    {
        neighbours_.advance(
            now,
            [this](const neighbour_cache::request& r) {
                queue_arp({.operation = arp_operation::request,
                           .sender_mac = config_.mac,
                           .sender_ip = config_.address.address.v4(),
                           .target_mac = mac_address{},
                           .target_ip = r.target},
                          r.mac);
            },
            [this](neighbour, std::size_t dropped) {
                unreachable_ = true;
                for (std::size_t i = 0; i < dropped; ++i) {
                    counters_.drop(drop_reason::neighbour_unresolved);
                }
            });
    }

    network_config config_;
    stack_counters& counters_;
    reply_queue replies_;
    neighbour_cache neighbours_;
    own_address own_{config_.address};
    std::optional<icmp_notice> notice_;
    time_point retry_at_ = time_point::never();
    time_point unreachable_window_{};
    std::uint32_t unreachable_credit_ = 0;
    std::uint16_t identification_ = 1;
    bool resolved_ = false;
    bool unreachable_ = false;
    bool looped_ = false;  // the frame in hand is this stack's own
};

}  // namespace tcpco
