// Fuzzes a whole stack with packet soup (libFuzzer).
//
// The input is a script: user calls, steps of time, a device that takes, holds or refuses frames, raw octets, and TCP
// segments that are well formed and nearly right: their numbers lie around those that the stack itself sent, and their
// checksums count as checked, so that they come past the first check. After each step the stack's invariants hold;
// what it sends parses and keeps to the MTU; what a device holds does not change; no timer spins; nothing is left in
// the end.
//
//     clang++-19 -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Itests tests/fuzz/stack_fuzz.cpp
//         -o stack_fuzz
//     ./stack_fuzz -max_total_time=120 -max_len=1000
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "support/raw_host.hpp"
#include "tcpco/core.hpp"
#include "tcpco/policy/ack/immediate.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/prague.hpp"
#include "tcpco/policy/receive_window/auto_tuned.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"
#include "tcpco/policy/syn_defence/backlog.hpp"

#define MUST_HOLD(condition) (static_cast<bool>(condition) ? void(0) : must_hold_failed(#condition, __LINE__))

namespace {

using namespace tcpco_test;

[[noreturn]] void must_hold_failed(const char* text, int line)
{
    std::fprintf(stderr, "stack_fuzz: does not hold: %s (line %d)\n", text, line);
    std::abort();
}

struct modern : default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = reduction::prr;
    using ack = tcpco::ack::immediate;
    using receive_window = window::auto_tuned;
};
struct middle : default_policies {
    using congestion = tcpco::congestion::prague;
    using recovery = tcpco::recovery::sack;
    using syn_defence = syn::backlog;
};
struct usual : default_policies {};
struct plain : default_policies {
    using recovery = tcpco::recovery::go_back_n;
};

// The script: the input, and some pseudo-random octets behind it, so that short inputs play long games, too. Then
// zeros.
class script {
public:
    script(const std::uint8_t* data, std::size_t size) : at_{data}, end_{data + size}
    {
        std::uint64_t seed = size;
        for (const std::uint8_t* p = at_; p != end_; ++p) {
            seed = seed * 31 + *p;
        }
        random_ = random_source{seed};
    }
    bool over() const { return at_ == end_ && extra_ == 0; }
    std::uint8_t next()
    {
        if (at_ != end_) {
            return *at_++;
        }
        if (extra_ == 0) {
            return 0;
        }
        --extra_;
        return static_cast<std::uint8_t>(random_.next());
    }
    std::size_t below(std::size_t n) { return next() % n; }
    bool flip() { return (next() & 1) != 0; }
    std::uint32_t next32()
    {
        std::uint32_t v = 0;
        for (int i = 0; i < 4; ++i) {
            v = v << 8 | next();
        }
        return v;
    }
    // Mostly near zero, of either sign.
    std::uint32_t delta()
    {
        switch (below(8)) {
        case 0: return next32();
        case 1: return static_cast<std::uint32_t>(static_cast<std::int8_t>(next())) * 1'000U;
        case 2: return static_cast<std::uint32_t>(static_cast<std::int8_t>(next()));
        default: return 0;
        }
    }

private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    random_source random_{0};
    std::size_t extra_ = 400;
};

// What the other end knows of one connection: from what the stack sent, and what it sent itself.
struct flow {
    endpoint self{};
    endpoint stack{};
    sequence_number seq{};  // next to send
    sequence_number ack{};  // beyond what the stack sent last
    std::uint32_t tsval = 1;
    std::uint32_t tsecr = 0;  // the stack's last: SYN cookies keep options there
    bool timestamps = false;
    bool accurate = false;   // ECN as in RFC 9768: then it counts packets with CE (ACE), and octets by code point
    unsigned marks = 5;
    std::array<std::uint32_t, 3> counted{1, 0, 1};
};

struct recorder {
    std::vector<completion*> scheduled;
    void schedule(completion& c) { scheduled.push_back(&c); }
};

template <class Bundle>
class game {
public:
    explicit game(script& s) : script_{s}, stack_{config_for(s)}
    {
        ethernet_ = config_.network.ethernet;
        for (std::uint16_t i = 0; i < 4; ++i) {
            flows_.push_back({{other_ip, static_cast<std::uint16_t>(5'000 + i)}, {stack_ip, 80}, {1'000}, {}});
        }
        for (std::uint16_t i = 0; i < 3; ++i) {
            flows_.push_back({{other_ip, 80}, {stack_ip, static_cast<std::uint16_t>(4'000 + i)}, {0xFFFF'FF00}, {}});
        }
        configure_device();
        if (s.flip()) {
            stack_.set_neighbour(other_ip.v4(), other_mac);
        }
        listeners_.push_back(stack_.listen({stack_ip, 80}, 3).value);
    }

    void play()
    {
        for (std::size_t i = script_.below(4); i > 0; --i) {
            open(flows_[i]);
        }
        for (int steps = 0; steps < 400 && !script_.over(); ++steps) {
            step();
            stack_.check_invariants();
        }
        finish();
    }

private:
    const stack_config<Bundle>& config_for(script& s)
    {
        config_ = raw_host<Bundle>::default_config();
        config_.limits = {.connections = 6,
                          .listeners = 3,
                          .frame_slots = 24,
                          .small_slots = 12,
                          .large_slots = 6,
                          .held_frames = 12,
                          .replies = 8};
        const std::uint8_t bits = s.next();
        config_.network.ethernet = (bits & 1) != 0;
        config_.tcp.timestamps = (bits & 2) != 0;
        config_.tcp.sack = (bits & 4) != 0;
        config_.tcp.window_scaling = (bits & 8) != 0;
        config_.tcp.send_buffer_octets = (bits & 16) != 0 ? 3'000 : 100'000;
        config_.limits.connections = (bits & 16) != 0 ? 6 : 24;  // of few connections no half-open one stays whole
        config_.network.neighbours = (bits & 32) != 0 ? 2 : 16;
        config_.tcp.maximum_ranges = (bits & 64) != 0 ? 3 : 64;
        config_.tcp.initial_window_segments = (bits & 128) != 0 ? 2 : 40;
        config_.tcp.ecn = static_cast<ecn_use>(s.below(5));
        return config_;
    }

    void configure_device()
    {
        const std::uint8_t bits = script_.next();
        mtu_ = (bits & 1) != 0 ? 576 : 1'500;
        const bool tso = (bits & 6) == 6;
        tso_max_ = tso ? (bits & 8) != 0 ? 4'000 : 65'535 : 0;
        device_config d;
        d.mtu = mtu_;
        d.ethernet = ethernet_;
        d.tx_checksum_offload = (bits & 2) != 0;
        d.tso4 = tso;
        d.tso_max = tso_max_;
        stack_.configure_device(d);
    }

    void step()
    {
        switch (script_.below(16)) {
        case 0: raw_frame(); break;
        case 1: arp(); break;
        case 2: icmp(); break;
        case 3: pass_time(); break;
        case 4:
        case 5: transmit(); break;
        case 6:
        case 7: user_call(); break;
        case 8: rare_call(); break;
        case 9: waiting_call(); break;
        case 10: script_.flip() ? give_back() : burst(); break;
        default: segment(); break;
        }
    }

    // --- in --------------------------------------------------------------------------------------------------------

    void arrive(const octets& packet)
    {
        frame_info info;
        info.checksum = checksum_state::good;
        info.wire_segments =
            packet.size() > 1'500 ? static_cast<std::uint16_t>(packet.size() / 1'000) : std::uint16_t{1};
        stack_.receive_copy(now_, ethernet_ ? ethernet_frame_of(ethertype::ipv4, packet) : packet, info);
    }

    void raw_frame()
    {
        octets data(script_.below(80));
        for (std::byte& b : data) {
            b = static_cast<std::byte>(script_.next());
        }
        switch (script_.below(3)) {
        case 0: stack_.receive_copy(now_, data); break;
        case 1: arrive(ip_packet_of(static_cast<ip_protocol>(script_.next()), data)); break;
        default: arrive(ip_packet_of(ip_protocol::tcp, data)); break;
        }
    }

    void arp()
    {
        const ip_address sender{ipv4_address{0xC0000200u + static_cast<std::uint32_t>(script_.below(12))}};
        const mac_address mac{{2, 0, 0, 0, 0, script_.next()}};
        const auto operation = script_.flip() ? arp_operation::reply : arp_operation::request;
        stack_.receive_copy(now_, arp_frame_of(operation, mac, sender, script_.flip() ? stack_ip : sender));
    }

    void icmp()
    {
        if (script_.flip()) {
            const ip_address from{ipv4_address{0xC0000200u + static_cast<std::uint32_t>(script_.below(12))}};
            arrive(ip_packet_of(
                ip_protocol::icmp,
                icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), octets(script_.below(3) * 700)),
                {.source = from}));
            return;
        }
        const flow& f = flows_[script_.below(flows_.size())];
        tcp_header quoted{
            .source_port = f.stack.port, .destination_port = f.self.port, .seq = f.ack - 1 + script_.delta()};
        const octets packet =
            ip_packet_of(ip_protocol::tcp,
                         tcp_segment_of({.source = f.stack.address, .destination = f.self.address}, quoted, {}, {}),
                         {.source = f.stack.address, .destination = f.self.address});
        const auto code = static_cast<icmp_unreachable>(script_.below(16));
        arrive(ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::unreachable(code), packet)));
    }

    tcp_options options_for(flow& f, std::uint16_t flags)
    {
        tcp_options o;
        const std::uint8_t bits = script_.next();
        if ((flags & tcp_flag::syn) != 0) {
            constexpr std::uint16_t sizes[] = {0, 1, 88, 536, 1'460, 65'535};
            o.has_mss = (bits & 1) != 0;
            o.mss = sizes[script_.below(6)];
            o.has_window_scale = (bits & 2) != 0;
            o.window_scale = static_cast<std::uint8_t>(bits >> 4);
            o.sack_permitted = (bits & 4) != 0;
            f.timestamps = (bits & 8) != 0;
            if (script_.below(4) == 0) {
                o.has_fast_open = true;
                o.cookie = script_.flip() ? cookie_ : fast_open_cookie{.size = 8};
            }
        }
        o.has_timestamps = f.timestamps != ((bits & 0xF0) == 0xF0);
        if (o.has_timestamps) {
            f.tsval += static_cast<std::uint32_t>(bits & 3);
            o.tsval = f.tsval + ((bits & 0x70) == 0x30 ? script_.delta() : 0);
            o.tsecr = f.tsecr + script_.delta();
        }
        if ((bits & 0x0C) == 0x0C) {
            o.sack_count = static_cast<std::uint8_t>(1 + script_.below(o.has_timestamps ? 3 : 4));
            for (std::size_t i = 0; i < o.sack_count; ++i) {
                o.sack_blocks[i].left = f.ack - static_cast<std::uint32_t>(script_.next()) * 40;
                o.sack_blocks[i].right = o.sack_blocks[i].left + static_cast<std::uint32_t>(script_.next()) * 20;
            }
        }
        if (f.accurate && (bits & 1) != 0) {
            o.accecn.present = true;
            o.accecn.order = static_cast<std::uint8_t>(script_.below(2));
            o.accecn.count = static_cast<std::uint8_t>(script_.below(4));
            f.counted[script_.below(3)] += static_cast<std::uint32_t>(script_.next()) * 40;
            o.accecn.fields = f.counted;
            o.accecn.fields[script_.below(3)] += script_.delta();
        }
        return o;
    }

    // The three flags of ECN: what a SYN asks for, what a SYN,ACK answers, and then RFC 3168's or a counter.
    std::uint16_t ecn_flags(flow& f, std::uint16_t flags)
    {
        constexpr unsigned questions[] = {0, 3, 7, 7};
        constexpr unsigned answers[] = {0, 1, 2, 6};
        constexpr unsigned classic[] = {0, 0, 0, 1, 2};
        unsigned bits = 0;
        if ((flags & tcp_flag::syn) != 0) {
            const bool answer = (flags & tcp_flag::ack) != 0;
            bits = answer ? answers[script_.below(4)] : questions[script_.below(4)];
            f.accurate = answer ? bits > 1 : bits == 7;
            f.marks = 5;
        } else if (f.accurate) {
            f.marks += script_.below(4) == 0 ? 1U : 0U;
            f.marks += script_.below(16) == 0 ? script_.next() : 0U;
            bits = f.marks;
        } else {
            bits = classic[script_.below(5)];
        }
        return static_cast<std::uint16_t>(((bits & 4) != 0 ? tcp_flag::ae : 0) | ((bits & 2) != 0 ? tcp_flag::cwr : 0) |
                                          ((bits & 1) != 0 ? tcp_flag::ece : 0));
    }

    // A handshake without a mistake, and the connection in the user's hands.
    void open(flow& f)
    {
        tcp_header header{.source_port = f.self.port, .destination_port = f.stack.port, .seq = f.seq, .window = 65'535};
        const ip_options ip{.source = f.self.address, .destination = f.stack.address};
        header.flags = static_cast<std::uint16_t>(tcp_flag::syn | ecn_flags(f, tcp_flag::syn));
        arrive(ip_packet_of(ip_protocol::tcp, tcp_segment_of(ip, header, options_for(f, header.flags), {}), ip));
        stack_.set_neighbour(other_ip.v4(), other_mac);
        take_all();
        f.seq = header.seq = header.seq + 1;
        header.ack = f.ack;
        header.flags = static_cast<std::uint16_t>(tcp_flag::ack | (f.accurate ? tcp_flag::cwr : 0));  // it came with ECT
        tcp_options options;
        options.has_timestamps = f.timestamps;
        options.tsval = f.tsval;
        options.tsecr = f.tsecr;
        arrive(ip_packet_of(ip_protocol::tcp, tcp_segment_of(ip, header, options, {}), ip));
        if (const auto c = stack_.accept(listeners_[0]); c.ec == errc::ok) {
            ids_.push_back(c.value);
        }
    }

    // A segment near what the connection expects.
    void segment()
    {
        constexpr std::uint16_t usual[] = {tcp_flag::ack,
                                           tcp_flag::ack,
                                           tcp_flag::ack | tcp_flag::psh,
                                           tcp_flag::syn,
                                           tcp_flag::syn | tcp_flag::ack,
                                           tcp_flag::fin | tcp_flag::ack,
                                           tcp_flag::rst,
                                           tcp_flag::rst | tcp_flag::ack};
        constexpr std::uint16_t windows[] = {65'535, 65'535, 0, 1, 600, 5'000};
        constexpr std::size_t sizes[] = {0, 0, 1, 100, 536, 1'400, 1'400, 9'000};
        flow& f = flows_[script_.below(flows_.size())];
        std::uint16_t flags = usual[script_.below(8)];
        flags = static_cast<std::uint16_t>(flags | ecn_flags(f, flags));
        if (script_.below(16) == 0) {
            flags = static_cast<std::uint16_t>(script_.next32() & 0xFFF);
        }
        if ((flags & tcp_flag::syn) != 0 && script_.below(4) == 0) {
            f.seq = {script_.next32()};
        }
        const octets payload((flags & tcp_flag::syn) != 0 ? script_.below(2) * script_.next() : sizes[script_.below(8)]);
        tcp_header header{.source_port = f.self.port,
                          .destination_port = f.stack.port,
                          .seq = f.seq + script_.delta(),
                          .ack = f.ack + script_.delta(),
                          .flags = flags,
                          .window = windows[script_.below(6)]};
        const tcp_options options = options_for(f, flags);
        const bool in_order = header.seq == f.seq;
        const ip_options ip{.source = f.self.address,
                            .destination = f.stack.address,
                            .ecn = static_cast<std::uint8_t>(script_.below(4))};
        if (in_order && (flags & tcp_flag::rst) == 0) {
            f.seq = f.seq + static_cast<std::uint32_t>(payload.size()) + ((flags & tcp_flag::syn) != 0 ? 1U : 0U) +
                    ((flags & tcp_flag::fin) != 0 ? 1U : 0U);
        }
        arrive(ip_packet_of(ip_protocol::tcp, tcp_segment_of(ip, header, options, payload), ip));
    }

    // Segments handed over at once, of which most continue one another.
    void burst()
    {
        constexpr std::size_t sizes[] = {1, 100, 536, 1'400};
        flow& f = flows_[script_.below(flows_.size())];
        const octets payload(sizes[script_.below(4)]);
        const tcp_options options = options_for(f, tcp_flag::ack);
        const ip_options ip{.source = f.self.address, .destination = f.stack.address};
        std::vector<frame> frames;
        for (std::size_t n = 2 + script_.below(12); n > 0; --n) {
            const std::uint8_t bits = script_.next();
            const sequence_number at = f.seq + (bits < 8 ? script_.delta() : 0);
            const auto flags = static_cast<std::uint16_t>(
                tcp_flag::ack | (bits < 24 ? tcp_flag::psh : 0) | (bits == 24 ? tcp_flag::fin : 0));
            const tcp_header header{.source_port = f.self.port,
                                    .destination_port = f.stack.port,
                                    .seq = at,
                                    .ack = f.ack + (bits == 25 ? script_.delta() : 0),
                                    .flags = flags,
                                    .window = static_cast<std::uint16_t>(bits == 26 ? 600 : 65'535)};
            octets packet = ip_packet_of(ip_protocol::tcp, tcp_segment_of(ip, header, options, payload), ip);
            packet[20 + script_.below(packet.size() - 20)] ^= std::byte{bits == 27};
            f.seq = at == f.seq && bits != 27 ? f.seq + static_cast<std::uint32_t>(payload.size()) : f.seq;
            frames.push_back(copy_frame(slots_, ethernet_ ? ethernet_frame_of(ethertype::ipv4, packet) : packet));
            if (!frames.back().data.owner) {
                frames.pop_back();
                break;
            }
        }
        stack_.receive(now_, frames);
    }

    // --- out -------------------------------------------------------------------------------------------------------

    struct held_frame {
        transmit_token token{};
        std::vector<std::span<const std::byte>> pieces;
        octets copy;
    };

    void check_frame(const outgoing_frame& f)
    {
        const sent_packet p{now_, octets_of(f), f.info, ethernet_};
        MUST_HOLD(!f.pieces.empty() && p.frame.size() >= p.link());
        if (p.arp()) {
            return;
        }
        const auto ip = p.ip();
        MUST_HOLD(ip && ip->header.total_length == p.ip_octets().size());
        MUST_HOLD(ip->header.source == stack_ip.v4());
        if (p.icmp()) {
            return;
        }
        const auto tcp = p.tcp();
        MUST_HOLD(tcp);
        const std::size_t segments =
            f.info.gso_size == 0 ? 1 : (tcp->payload.size() + f.info.gso_size - 1) / f.info.gso_size;
        MUST_HOLD(f.info.wire_segments == segments);
        MUST_HOLD(f.info.gso_size == 0 || (f.info.gso_type == gso_kind::tcp_v4 && tso_max_ != 0));
        const std::size_t headers = ip->header.total_length - tcp->payload.size();
        MUST_HOLD((f.info.gso_size == 0 ? ip->header.total_length : headers + f.info.gso_size) <= mtu_);
        MUST_HOLD(ip->header.total_length <= std::max<std::size_t>(mtu_, tso_max_));
        const tcp_options options = parse_tcp_options(tcp->options);
        MUST_HOLD(!options.malformed);
        if (options.cookie.size > 0 && tcp->header.source_port == 80) {
            cookie_ = options.cookie;
        }
        note(*tcp);
    }

    void note(const tcp_segment& segment)
    {
        for (flow& f : flows_) {
            if (f.self.port == segment.header.destination_port && f.stack.port == segment.header.source_port) {
                const sequence_number end = segment.header.seq + static_cast<std::uint32_t>(segment.payload.size()) +
                                            (segment.header.has(tcp_flag::syn) ? 1U : 0U) +
                                            (segment.header.has(tcp_flag::fin) ? 1U : 0U);
                if (segment.header.has(tcp_flag::syn) || end - f.ack > 0) {
                    f.ack = end;
                }
                f.tsecr = parse_tcp_options(segment.options).tsval;
            }
        }
    }

    void take_all()
    {
        stack_.transmit(
            now_,
            [&](const outgoing_frame& f) {
                check_frame(f);
                return sink_verdict::done;
            },
            1'000);
    }

    void transmit()
    {
        const std::size_t mode = script_.below(4);
        const std::size_t budget = script_.flip() ? ~std::size_t{0} : script_.below(5);
        std::size_t room = mode == 2 ? script_.below(4) : ~std::size_t{0};
        std::size_t taken = 0;
        const std::size_t answer = stack_.transmit(
            now_,
            [&](const outgoing_frame& f) {
                check_frame(f);
                if (room == 0) {
                    return sink_verdict::refused;
                }
                --room;
                MUST_HOLD(++taken <= 20'000);
                if (mode == 3) {
                    held_.push_back({f.token, {f.pieces.begin(), f.pieces.end()}, octets_of(f)});
                    return sink_verdict::held;
                }
                return sink_verdict::done;
            },
            budget);
        MUST_HOLD(taken <= answer && answer <= budget);  // what the stack sent to itself counts, too
        MUST_HOLD(held_.size() <= config_.limits.held_frames);
    }

    void give_back()
    {
        for (std::size_t n = script_.below(4); n > 0 && !held_.empty(); --n) {
            release(held_.front());
            held_.pop_front();
        }
    }
    void release(const held_frame& h)
    {
        octets now;
        for (const auto& piece : h.pieces) {
            now.insert(now.end(), piece.begin(), piece.end());
        }
        MUST_HOLD(now == h.copy);
        stack_.transmitted(h.token);
    }

    void pass_time()
    {
        constexpr std::int64_t steps[] = {0,          1,           1'000,         1'000'000,
                                          50'000'000, 250'000'000, 1'100'000'000, 70'000'000'000};
        if (script_.flip() && stack_.deadline() != time_point::never()) {
            now_ = std::max(now_, stack_.deadline());
        } else {
            now_ += duration{steps[script_.below(8)]};
        }
        stack_.advance(now_);
        stack_.advance(now_);
        // What the advance re-armed may be due at once, but not for ever.
        for (int i = 0; i < 4 && stack_.deadline() <= now_; ++i) {
            stack_.advance(now_);
        }
        MUST_HOLD(stack_.deadline() > now_);
    }

    // --- the user --------------------------------------------------------------------------------------------------

    connection_id some_id() { return ids_.empty() ? connection_id{} : ids_[script_.below(ids_.size())]; }

    void user_call()
    {
        const connection_id id = some_id();
        octets room(script_.below(5) * 900);
        switch (script_.below(8)) {
        case 0:
        case 1: static_cast<void>(stack_.write(id, octets(script_.below(8) * script_.below(8) * 200))); break;
        case 2:
        case 3: static_cast<void>(stack_.read(id, room)); break;
        case 4:
            if (auto piece = stack_.take(id); piece.ec == errc::ok && script_.flip()) {
                kept_.push_back(std::move(piece.value));
            }
            break;
        case 5: static_cast<void>(stack_.peek(id, room, script_.below(100))); break;
        case 6:
            if (const auto c = stack_.accept(listeners_[script_.below(listeners_.size())]); c.ec == errc::ok) {
                ids_.push_back(c.value);
            }
            break;
        default:
            if (const auto event = stack_.poll_event(); event && event->connection) {
                MUST_HOLD(stack_.info(event->connection).ec == errc::ok);
            }
            break;
        }
    }

    void rare_call()
    {
        const connection_id id = some_id();
        switch (script_.below(20)) {
        case 0:
        case 1:
        case 2: {
            const flow& f = flows_[4 + script_.below(3)];
            const ip_address to{ipv4_address{0xC0000200u + static_cast<std::uint32_t>(script_.below(12))}};
            const bool fast = script_.flip();
            const auto c = script_.flip() ? stack_.connect(f.self, {.local = f.stack, .fast_open = fast})
                                          : stack_.connect({to, 80}, {.fast_open = fast});
            if (c.ec == errc::ok) {
                ids_.push_back(c.value);
                if (fast) {
                    static_cast<void>(stack_.write(c.value, octets(script_.below(2'000))));
                }
            }
            break;
        }
        case 3:
        case 4: static_cast<void>(stack_.shutdown(id)); break;
        case 5:
        case 6: static_cast<void>(stack_.close(id)); break;
        case 7: static_cast<void>(stack_.abort(id)); break;
        case 8: static_cast<void>(stack_.close(listeners_[script_.below(listeners_.size())])); break;
        case 9:
            if (const auto l = stack_.listen({script_.flip() ? stack_ip : ip_address{}, 80}, 1 + script_.next() % 3U);
                l.ec == errc::ok) {
                listeners_.push_back(l.value);
            }
            break;
        case 10: static_cast<void>(stack_.set_no_delay(id, script_.flip())); break;
        case 11: static_cast<void>(stack_.set_cork(id, script_.flip())); break;
        case 12: static_cast<void>(stack_.set_reset_on_close(id, script_.flip())); break;
        case 13: stack_.set_neighbour({0xC0000200u + static_cast<std::uint32_t>(script_.below(12))}, other_mac); break;
        case 14: kept_.clear(); break;
        case 15: {
            const listen_options o{.half_open_limit = static_cast<std::uint32_t>(script_.below(3)),
                                   .abort_on_overflow = script_.flip(),
                                   .fast_open = static_cast<std::uint32_t>(script_.below(3))};
            static_cast<void>(stack_.set_options(listeners_[script_.below(listeners_.size())], o));
            break;
        }
        case 16: {
            const keep_alive k{.idle = duration{script_.next() * std::int64_t{1'000'000'000}},
                               .interval = duration{1'000'000'000},
                               .count = script_.next()};
            static_cast<void>(stack_.set_keep_alive(id, script_.flip() ? std::optional{k} : std::nullopt));
            break;
        }
        case 17:
            static_cast<void>(stack_.set_user_timeout(id, duration{script_.next() * std::int64_t{100'000'000}}));
            break;
        default: all_of_them(); break;
        }
    }

    void all_of_them()
    {
        switch (script_.below(8)) {
        case 0: stack_.close_all(now_); break;
        case 1: stack_.abort_all(now_); break;
        case 2: stack_.device_lost(errc::network_down); break;
        default:
            stack_.for_each_connection([](connection_id, const tcp_info& info) { MUST_HOLD(info.unacked >= 0); });
            break;
        }
    }

    void waiting_call()
    {
        const connection_id id = some_id();
        const auto kind = static_cast<wait_kind>(script_.below(5));
        completion& c = waiters_[script_.below(waiters_.size())];
        recorder executor;
        switch (script_.below(4)) {
        case 0: start_waiting(id, kind, c); break;
        case 1: stop_waiting(c); break;
        case 2:
            if (!c.linked() && !waits(c)) {
                static_cast<void>(stack_.wait_for_accept(listeners_[script_.below(listeners_.size())], c));
            }
            break;
        default: stack_.dispatch(executor); break;
        }
    }
    bool waits(const completion& c) const
    {
        return std::any_of(waits_.begin(), waits_.end(), [&](const wait& w) { return w.who == &c; });
    }
    void start_waiting(connection_id id, wait_kind kind, completion& c)
    {
        if (!c.linked() && !waits(c) && stack_.wait_for(id, kind, c) == errc::ok) {
            waits_.push_back({id, kind, &c});
        }
    }
    void stop_waiting(completion& c)
    {
        for (const wait& w : waits_) {
            if (w.who == &c) {
                stack_.stop_waiting(w.id, w.kind, c);
            }
        }
        std::erase_if(waits_, [&](const wait& w) { return w.who == &c; });
        c.unlink();
    }

    // Everything ends: nobody reads or writes any more, the device takes all, time goes by.
    void finish()
    {
        for (completion& c : waiters_) {
            stop_waiting(c);
        }
        for (const held_frame& h : held_) {
            release(h);
        }
        held_.clear();
        for (const connection_id id : ids_) {
            static_cast<void>(stack_.close(id));
        }
        stack_.close_all(now_);
        for (int i = 0; stack_.deadline() != time_point::never() || stack_.has_output(); ++i) {
            MUST_HOLD(i < 20'000);
            take_all();
            now_ = stack_.deadline() == time_point::never() ? now_ : std::max(now_, stack_.deadline());
            stack_.advance(now_);
            stack_.check_invariants();
        }
        MUST_HOLD(stack_.connection_count() == 0);
    }

    struct wait {
        connection_id id{};
        wait_kind kind{};
        completion* who = nullptr;
    };
    struct waiter : completion {
        waiter() : completion{[](completion&) noexcept {}} {}
    };

    fast_open_cookie cookie_{.size = 8};  // the stack's own, once it gave one
    script& script_;
    stack_config<Bundle> config_{};
    std::deque<slice> kept_;  // octets may outlive their stack
    buffer_pool slots_{2'048, 40};
    basic_stack<Bundle> stack_;
    time_point now_{duration{1'000'000'000}};
    bool ethernet_ = true;
    std::uint16_t mtu_ = 1'500;
    std::uint32_t tso_max_ = 0;
    std::vector<flow> flows_;
    std::vector<listener_id> listeners_;
    std::vector<connection_id> ids_;
    std::deque<held_frame> held_;
    std::vector<wait> waits_;
    std::array<waiter, 4> waiters_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    script s{data, size};
    switch (s.below(4)) {
    case 0: game<modern>{s}.play(); break;
    case 1: game<middle>{s}.play(); break;
    case 2: game<plain>{s}.play(); break;
    default: game<usual>{s}.play(); break;
    }
    return 0;
}
