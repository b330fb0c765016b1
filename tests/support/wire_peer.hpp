// One side of a wire in virtual time, the other side being a stack under test: packets to it, packets from it, and
// time.
//
// Every packet that the stack sends is checked for its checksums, reserved bits, place of options and payload: the
// octet at a given place of a stream is always the same.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/offloads.hpp"
#include "support/segment_builder.hpp"
#include "tcpco/core.hpp"

namespace tcpco_test {

template <class Bundle>
class wire_peer {
public:
    explicit wire_peer(const stack_config<Bundle>& c) : stack{c}, ethernet_{c.network.ethernet}
    {
        give_offloads(stack, c.network.mtu);
        iss = sequence_number{c.isn.first};
        mark();
    }

    basic_stack<Bundle> stack;
    time_point now{duration{1'000'000'000}};
    ip_address sut_address = "192.0.2.1"_ip;
    ip_address peer_address = "192.0.2.2"_ip;
    std::uint16_t sut_port = 7;
    std::uint16_t peer_port = 40'000;
    sequence_number iss{5'000};     // of the stack's connection, to check its payload
    sequence_number irs{1'000};     // the peer's own
    std::uint16_t window = 65'535;  // what the peer's packets say unless told otherwise
    bool check_payload = true;

    // --- packets -----------------------------------------------------------------------------------------------------

    // One packet to the stack; what it sends in answer waits for next().
    void send(std::string_view text)
    {
        deliver(text);
        collect();
    }
    // Several packets in one turn: the stack may answer only when it has seen them all.
    void send_together(std::initializer_list<std::string_view> texts)
    {
        for (const std::string_view text : texts) {
            deliver(text);
        }
        collect();
    }
    void send_ip(const std::vector<std::byte>& octets)
    {
        say('<', octets);
        stack.receive_copy(now, octets);
        stack.check_invariants();
        collect();
    }

    // The next packet that the stack has sent, at the present time or before.
    packet next()
    {
        collect();
        if (seen_.empty()) {
            packet none;
            none.conversation = conversation();
            return none;
        }
        packet first = std::move(seen_.front());
        seen_.pop_front();
        first.conversation = conversation();
        return first;
    }
    // The last packet that waits; the others are forgotten.
    packet last()
    {
        packet p = next();
        while (!seen_.empty()) {
            p = next();
        }
        return p;
    }
    // The sequence number behind the last octet of all packets that wait; they are forgotten.
    std::uint32_t sent_up_to()
    {
        std::uint32_t end = 0;
        for (packet p = next(); p.what != packet::kind::nothing; p = next()) {
            end = std::max(end, p.seq() + static_cast<std::uint32_t>(p.length));
        }
        return end;
    }
    std::size_t forget()
    {
        collect();
        const std::size_t n = seen_.size();
        seen_.clear();
        return n;
    }
    std::size_t waiting()
    {
        collect();
        return seen_.size();
    }

    // An ICMP error about a packet that the stack sent.
    void send_icmp(icmp_type type, std::uint8_t code, const packet& about, std::uint16_t mtu = 0)
    {
        send_icmp_quoting(icmp_header{type, code, mtu},
                          {about.octets.data(), std::min<std::size_t>(about.octets.size(), 28)});
    }
    void send_icmp_quoting(const icmp_header& header, std::span<const std::byte> quoted)
    {
        send_ip(build_icmp(header, quoted, as_speaker()));
    }

    // The IP packet that these words describe.
    std::vector<std::byte> build(std::string_view text) const
    {
        return build_segment(packet_words{text}, as_speaker());
    }

    // --- time --------------------------------------------------------------------------------------------------------

    void mark() { marked_ = now; }
    duration since_mark() const { return now - marked_; }

    // Lets time pass, stopping at every deadline of the stack.
    void wait(duration d)
    {
        const time_point end = now + d;
        collect();
        for (int idle = 0; stack.deadline() <= end;) {
            idle = stack.deadline() <= now ? idle + 1 : 0;
            if (idle > 1'000) {
                throw std::runtime_error{"the stack's deadline does not move on:\n" + *conversation()};
            }
            now = std::max(now, stack.deadline());
            stack.advance(now);
            stack.check_invariants();
            collect();
        }
        now = end;
        stack.advance(now);
        collect();
    }

    std::shared_ptr<const std::string> conversation() const { return std::make_shared<std::string>(conversation_); }

private:
    speaker as_speaker() const { return {peer_address, sut_address, peer_port, sut_port, window, irs}; }

    void deliver(std::string_view text)
    {
        const std::vector<std::byte> octets = build(text);
        say('<', octets);
        stack.receive_copy(now, octets);
        stack.check_invariants();
    }

    void say(char direction, std::span<const std::byte> octets)
    {
        conversation_ +=
            std::string{direction} + ' ' + std::to_string(since_mark().seconds()) + ' ' + dump_ip(octets) + '\n';
        if (conversation_.size() > 6'000) {  // the older half is of little use
            conversation_.erase(0, conversation_.find('\n', 3'000) + 1);
        }
    }

    // Takes what the stack has to send.
    void collect()
    {
        const auto sink = [this](const outgoing_frame& f) {
            std::vector<std::byte> octets(f.size());
            f.copy_to(octets.data());
            for (std::vector<std::byte>& packet : on_the_wire(std::move(octets), f.info, ethernet_)) {
                take(std::move(packet));
            }
            return sink_verdict::done;
        };
        for (int rounds = 0; stack.transmit(now, sink) > 0; ++rounds) {
            if (rounds > 10'000) {
                throw std::runtime_error{"the stack does not stop sending:\n" + *conversation()};
            }
        }
        stack.check_invariants();
    }

    void take(std::vector<std::byte> octets)
    {
        say('>', octets);
        packet p;
        p.at = since_mark();
        const auto ip = parse_ipv4(octets);
        if (!ip) {
            broken("a broken IP packet");
        }
        p.what = packet::kind::other;
        if (ip->header.protocol == ip_protocol::tcp) {
            take_segment(p, *ip);
        } else if (ip->header.protocol == ip_protocol::icmp) {
            const auto icmp = parse_icmp(ip->payload);
            if (!icmp) {
                broken("a broken ICMP message");
            }
            p.what = packet::kind::icmp;
            p.icmp = icmp->header;
        }
        p.octets = std::move(octets);
        seen_.push_back(std::move(p));
    }

    void take_segment(packet& p, const ipv4_packet& ip)
    {
        const auto segment = parse_tcp(ip.payload);
        if (!segment ||
            !transport_checksum_good(ip.header.source, ip.header.destination, ip_protocol::tcp, ip.payload)) {
            broken("a broken TCP segment (MUST-2)");
        }
        p.what = packet::kind::tcp;
        p.header = segment->header;
        p.options = parse_tcp_options(segment->options);
        p.length = segment->payload.size();
        const bool syn = p.header.has(tcp_flag::syn);
        if ((p.header.flags & tcp_flag::reserved) != 0 || p.options.malformed) {
            broken("reserved bits or malformed options");
        }
        if (!syn && (p.options.has_mss || p.options.has_window_scale || p.options.sack_permitted)) {
            broken("an option that belongs to a SYN (MUST-65)");
        }
        if (check_payload && p.header.destination_port == peer_port && !p.header.has(tcp_flag::rst)) {
            const auto first = static_cast<std::uint32_t>(p.header.seq - (iss + (syn ? 0 : 1)));
            for (std::size_t i = 0; i < p.length; ++i) {
                if (segment->payload[i] != stream_octet(first + static_cast<std::uint32_t>(i))) {
                    broken("a wrong octet of payload");
                }
            }
        }
    }

    [[noreturn]] void broken(const char* what)
    {
        throw std::runtime_error{"the stack sent " + std::string{what} + ":\n" + *conversation()};
    }

    bool ethernet_;
    std::deque<packet> seen_;
    std::string conversation_;
    time_point marked_{};
};

}  // namespace tcpco_test
