// The peers of a great many connections, as a device: as little of them as a handshake and an idle life need.
//
// Peer i opens a connection when the crowd is told to, acknowledges the SYN,ACK and is silent from then on; what it
// would have to remember follows from i, so the crowd takes no memory for it. Peer 0 may also ask, 64 octets at a time,
// and asks again when the answer is there; it acknowledges the last one, so that nobody has anything to send again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>

#include "tcpco/tcpco.hpp"

namespace tcpco_bench {

using namespace tcpco;

inline constexpr endpoint crowded_server{"198.18.0.2"_ip, 7};
inline constexpr std::size_t question_octets = 64;

class crowd {
public:
    // So many peers in all are to be connected.
    void grow_to(std::uint32_t peers) noexcept { wanted_ = peers; }
    std::uint32_t connected() const noexcept { return connected_; }

    // Peer 0 asks, and goes on until it has been answered so often.
    void ask(std::uint64_t times)
    {
        questions_left_ = times;
        ask_once();
    }
    bool asking() const noexcept { return questions_left_ > 0; }

    link_framing framing() const noexcept { return link_framing::ip; }
    std::uint32_t mtu() const noexcept { return 1'500; }
    std::size_t max_frame() const noexcept { return 1'500; }
    time_point deadline() const noexcept
    {
        return !leaving_.empty() ? last_ + 1_us : begun_ < wanted_ ? next_burst_ : time_point::never();
    }
    void advance(time_point) noexcept {}

    sink_verdict send(time_point, const outgoing_frame& out)
    {
        std::array<std::byte, 1'500> octets;
        out.copy_to(octets.data());
        const auto ip = parse_ipv4(std::span{octets}.first(out.size()));
        const auto tcp = parse_tcp(ip->payload);
        const std::uint32_t peer = index_of({ip->header.destination, tcp->header.destination_port});
        if (tcp->header.has(tcp_flag::syn | tcp_flag::ack)) {
            ++connected_;
            leaving_.push_back({peer, first_of(peer) + 1, tcp->header.seq + 1, tcp_flag::ack, 0});
        } else if (peer == 0 && !tcp->payload.empty()) {
            answered_ += tcp->payload.size();
            acknowledged_ = tcp->header.seq + static_cast<std::uint32_t>(tcp->payload.size());
            if (answered_ >= question_octets && questions_left_ > 0) {
                answered_ -= question_octets;
                --questions_left_;
                ask_once();
                if (questions_left_ == 0) {  // no question says that the last answer has come: an ACK does
                    leaving_.push_back({0, first_of(0) + 1 + asked_, acknowledged_, tcp_flag::ack, 0});
                }
            }
        }
        if (peer == 0 && tcp->header.has(tcp_flag::syn)) {
            acknowledged_ = tcp->header.seq + 1;
        }
        return sink_verdict::done;
    }

    template <class Emit>
    void harvest(time_point now, buffer_pool& pool, Emit&& emit)
    {
        last_ = now;
        if (begun_ < wanted_ && now >= next_burst_) {
            next_burst_ = now + burst_interval;
            for (int n = 0; n < burst && begun_ < wanted_; ++n, ++begun_) {
                leaving_.push_back({begun_, first_of(begun_), {}, tcp_flag::syn, 0});
            }
        }
        for (std::size_t left = leaving_.size(); left > 0; --left) {
            buffer slot = pool.acquire();
            if (!slot) {
                return;
            }
            const std::size_t size = write(leaving_.front(), std::span{slot.data(), std::size_t{1'500}});
            const std::byte* first = slot.data();
            leaving_.pop_front();
            emit(frame{slice{std::move(slot), first, static_cast<std::uint32_t>(size)},
                       frame_info{.checksum = checksum_state::good}});
        }
    }

private:
    struct segment {
        std::uint32_t peer;
        sequence_number seq;
        sequence_number ack;
        std::uint16_t flags;
        std::uint16_t text;  // octets
    };

    // 50,000 a second: what a connection has while it is opened, it gives back a second later.
    static constexpr int burst = 100;
    static constexpr duration burst_interval{2'000'000};

    static constexpr std::uint32_t ports = 50'000;  // of each address
    static constexpr std::uint16_t first_port = 1'024;
    static constexpr std::uint32_t first_address = 0xC6130000;  // 198.19.0.0

    static constexpr std::uint32_t index_of(const endpoint& e) noexcept
    {
        return (e.address.v4().value - first_address) * ports + e.port - first_port;
    }
    static constexpr sequence_number first_of(std::uint32_t peer) noexcept { return sequence_number{peer * 77'777}; }

    void ask_once()
    {
        if (questions_left_ > 0) {
            leaving_.push_back({0, first_of(0) + 1 + asked_, acknowledged_,
                                static_cast<std::uint16_t>(tcp_flag::ack | tcp_flag::psh), question_octets});
            asked_ += question_octets;
        }
    }

    static std::size_t write(const segment& s, std::span<std::byte> out)
    {
        std::memset(out.data(), 0, ipv4_header_size + 24 + s.text);
        const std::size_t options = (s.flags & tcp_flag::syn) != 0 ? 4 : 0;
        const std::size_t size = ipv4_header_size + tcp_header_size + options + s.text;
        write_ipv4({.total_length = static_cast<std::uint16_t>(size),
                    .dont_fragment = true,
                    .ttl = 64,
                    .protocol = ip_protocol::tcp,
                    .source = ipv4_address{first_address + s.peer / ports},
                    .destination = crowded_server.address.v4()},
                   out);
        write_tcp({.source_port = static_cast<std::uint16_t>(first_port + s.peer % ports),
                   .destination_port = crowded_server.port,
                   .seq = s.seq,
                   .ack = s.ack,
                   .flags = s.flags,
                   .window = 65'535,
                   .data_offset = static_cast<std::uint8_t>(5 + options / 4)},
                  out.subspan(ipv4_header_size));
        if (options != 0) {
            const std::byte mss[] = {std::byte{2}, std::byte{4}, std::byte{0x05}, std::byte{0xB4}};  // 1460
            std::memcpy(out.data() + ipv4_header_size + tcp_header_size, mss, sizeof mss);
        }
        return size;
    }

    std::deque<segment> leaving_{};
    time_point last_{};
    time_point next_burst_{};
    std::uint32_t wanted_ = 0;
    std::uint32_t begun_ = 0;
    std::uint32_t connected_ = 0;
    std::uint64_t questions_left_ = 0;
    std::size_t answered_ = 0;
    std::uint32_t asked_ = 0;
    sequence_number acknowledged_{};
};

static_assert(polled_device<crowd>);

}  // namespace tcpco_bench
