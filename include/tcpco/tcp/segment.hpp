// A TCP segment as the connection sees it: arriving, with its positions unwrapped, and leaving, before it has octets.
#pragma once

#include <cstdint>
#include <optional>

#include "tcpco/core/sequence.hpp"
#include "tcpco/policy/events.hpp"
#include "tcpco/storage/frame.hpp"
#include "tcpco/wire/tcp.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

// SEG.* of RFC 9293 section 3.3.1. `seq` and `ack` are offsets in the connection's streams, set once a TCB is known;
// what stands on the wire remains in `header`.
struct arriving_segment {
    tcp_header header{};
    tcp_options options{};
    slice payload{};
    frame_info info{};
    bool ce = false;  // the IP header said Congestion Experienced
    std::uint8_t ecn = 0;      // its whole code point (wire/ipv4.hpp)
    bool ce_rose = false;      // marked, unlike the packet before (RFC 9768 3.2.2.5.1)
    bool without_ace = false;  // its flags are no counter: a SYN, or the ACK of a SYN,ACK (RFC 9768 3.2.2)

    stream_offset seq{};
    stream_offset ack{};
    octet_count wnd = 0;  // scaled
    stream_offset sent_seq{};  // `seq` before anything was trimmed

    bool has(std::uint16_t flags) const noexcept { return header.has(flags); }
    bool syn() const noexcept { return header.has(tcp_flag::syn); }
    bool fin() const noexcept { return header.has(tcp_flag::fin); }
    bool rst() const noexcept { return header.has(tcp_flag::rst); }
    bool acks() const noexcept { return header.has(tcp_flag::ack); }

    // SEG.LEN: payload, SYN and FIN.
    octet_count length() const noexcept { return octet_count{payload.size} + (syn() ? 1 : 0) + (fin() ? 1 : 0); }
    stream_offset end() const noexcept { return seq + length(); }
    // Where the payload starts, and where a FIN stands.
    stream_offset text() const noexcept { return seq + (syn() ? 1 : 0); }
    stream_offset fin_at() const noexcept { return text() + payload.size; }
};

enum class segment_kind : std::uint8_t {
    pure_ack,
    new_data,  // SYN and FIN included
    retransmission,
    loss_probe,    // tail loss probe (RFC 8985 7.3)
    window_probe,  // persist (RFC 9293 3.8.6.1)
};

// What a connection would send next. Nothing has changed yet: it becomes true when the sink took it (commit).
struct leaving_segment {
    segment_kind kind = segment_kind::pure_ack;
    stream_offset seq{};
    octet_count octets = 0;  // payload
    bool syn = false;
    bool fin = false;
    bool ack = true;
    bool psh = false;
    bool fresh = false;          // extends snd.nxt
    bool ece = false;            // RFC 3168; with SYN both flags have another meaning, and by RFC 9768 all three have
    bool cwr = false;
    bool ae = false;
    bool ect = false;            // the IP header says ECT(0)
    bool ect_1 = false;          // or rather ECT(1) (RFC 9331)
    bool earlier = false;        // an ACK as it was due before what came behind (RFC 9768 3.2.2.5.1)
    octet_count ack_behind = 0;  // octets by which it acknowledges less than rcv.nxt
    bool mtu_probe = false;      // larger than the path is known to take
    std::uint16_t urgent = 0;    // urgent pointer; 0: without URG
    std::uint16_t window = 0;    // as it will stand in the header
    stream_offset right_edge{};  // what that window advertises
    std::uint16_t wire_segments = 1;
    std::uint16_t gso_size = 0;  // payload octets per segment, when wire_segments > 1
    tcp_options options{};

    octet_count length() const noexcept { return octets + (syn ? 1 : 0) + (fin ? 1 : 0); }
    stream_offset end() const noexcept { return seq + length(); }
    friend bool operator==(const leaving_segment&, const leaving_segment&) noexcept = default;
};

inline std::uint16_t flags_of(const leaving_segment& s) noexcept
{
    return static_cast<std::uint16_t>((s.syn ? tcp_flag::syn : 0) | (s.fin ? tcp_flag::fin : 0) |
                                      (s.ack ? tcp_flag::ack : 0) | (s.psh ? tcp_flag::psh : 0) |
                                      (s.ece ? tcp_flag::ece : 0) | (s.cwr ? tcp_flag::cwr : 0) |
                                      (s.ae ? tcp_flag::ae : 0) |
                                      (s.urgent != 0 ? tcp_flag::urg : 0));
}

// A segment that needs no TCB: an answer as in CLOSED, or the RST of an abort.
struct stateless_segment {
    endpoint local{};
    endpoint remote{};
    sequence_number seq{};
    sequence_number ack{};
    std::uint16_t flags = 0;
    std::uint16_t window = 0;
    tcp_options options{};
};

// One of them, or none. Not std::optional: its 180 octets would be cleared for each segment that is answered with none.
class pending_segment {
public:
    pending_segment() noexcept {}
    pending_segment(const pending_segment&) = delete;
    pending_segment& operator=(const pending_segment&) = delete;
    pending_segment& operator=(const std::optional<stateless_segment>& segment) noexcept
    {
        there_ = segment.has_value();
        if (there_) {
            value_ = *segment;
        }
        return *this;
    }
    ~pending_segment() = default;

    explicit operator bool() const noexcept { return there_; }
    stateless_segment& operator*() noexcept { return value_; }
    stateless_segment* operator->() noexcept { return &value_; }
    void reset() noexcept { there_ = false; }

private:
    union {
        stateless_segment value_;
    };
    bool there_ = false;
};

}  // namespace tcpco
