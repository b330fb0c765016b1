// A connection: the TCB with the policies that belong to it, and what all connections of a stack share.
//
// A connection is a value. Its functions stand in the headers named after RFC 9293's chapter 3: segment_arrives
// (3.10.7), user_calls (3.10.1 to 3.10.6), timeouts (3.10.8), sender, receiver. Each takes a `step`: the call's time
// and the stack's shared part. None sends: they leave marks (acks_owed, lost records, queued octets), and the stack
// asks next_segment() when the device has room.
//
// What only a busy connection needs stands apart and is given back when it goes quiet: `sender_active` and
// `receiver_active`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "tcpco/core/random.hpp"
#include "tcpco/core/seed.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/observer/events.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/tcp/accurate_ecn.hpp"
#include "tcpco/tcp/ecn_refusals.hpp"
#include "tcpco/tcp/counters.hpp"
#include "tcpco/tcp/fast_open.hpp"
#include "tcpco/tcp/limited_times.hpp"
#include "tcpco/tcp/min_filter.hpp"
#include "tcpco/tcp/pacer.hpp"
#include "tcpco/tcp/path_mtu.hpp"
#include "tcpco/tcp/rate_sampler.hpp"
#include "tcpco/tcp/round_counter.hpp"
#include "tcpco/tcp/scoreboard.hpp"
#include "tcpco/tcp/segment.hpp"
#include "tcpco/tcp/settings.hpp"
#include "tcpco/tcp/syn_cookie.hpp"
#include "tcpco/tcp/tcb.hpp"

namespace tcpco {

// What a connection does to find its path's MTU (path_search.hpp): the probe on its way, and the question whether
// smaller segments get through where larger ones do not.
struct mtu_search {
    stream_offset first{};  // the probe's octets
    stream_offset last{};
    std::uint16_t size = 0;  // of the probe's IP packet; 0: none
    bool lost = false;

    bool asking = false;          // the head leaves in a packet of `asked` octets
    std::uint8_t passed = 0;      // how often such a one has got through since a larger one did
    std::uint16_t asked = 0;      // 0: nothing has been asked
    std::uint16_t failed = 0;     // the packet whose loss made us ask

    bool is_probing() const noexcept { return size != 0; }
    bool is_idle() const noexcept { return size == 0 && asked == 0; }
    void forget_probe() noexcept
    {
        first = last = {};
        size = 0;
        lost = false;
    }
    void forget_question() noexcept
    {
        asking = false;
        passed = 0;
        asked = 0;
        failed = 0;
    }
};

// The sending machinery; exists while octets, a SYN or a FIN are unacknowledged or queued.
template <class B>
struct sender_active {
    sender_active() = default;
    sender_active(const policy_configs<B>& p, const typename B::congestion::config& chosen)
        : recovery_rate{p.recovery_rate}, recovery{p.recovery}, congestion{chosen}
    {
    }

    // What each segment and each ACK asks for stands together: with many connections each line has to come from afar.
    scoreboard board;
    octet_count resumption_window = 0;  // after an undo, a second limit beside cwnd (tcp/undo.hpp); 0: none
    stream_offset limited_until{};      // small segments end here (Minshall)
    time_point progress_at{};  // the user timeout counts from here: first octet outstanding, or last new ACK
    mtu_search search;
    limited_times times;
    rate_sampler rate;
    round_counter rounds;
    min_filter<duration> min_rtts;
    typename B::recovery_rate recovery_rate;
    typename B::recovery recovery;
    typename B::congestion congestion;
    stream_offset reduced_until{};  // snd.nxt at the last reduction: an echo asks for no other one below (RFC 3168)
    stream_offset burst_end{};  // where the last initial or restart window ends
    octet_count flight_before_disorder = 0;  // FlightSize at the first sign of loss: without limited transmit's octets
    pacer pace;
    std::optional<typename B::congestion> before{};  // as it was before the episode's first reduction (undo)
};

// What is left of the sending half while it is given back. What does not fit is no limit to anybody: a window of 4 GiB,
// a round trip of half a minute.
class idle_windows {
public:
    // The controller's answers; 0: there has been none. What was no threshold is none.
    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    constexpr octet_count ssthresh() const noexcept
    {
        return ssthresh_ == largest ? congestion::no_threshold : octet_count{ssthresh_};
    }
    constexpr void keep_windows(octet_count cwnd, octet_count ssthresh) noexcept
    {
        cwnd_ = narrow(cwnd);
        ssthresh_ = narrow(ssthresh);
    }

    // The windowed minimum; zero: none. And when it was taken, as seen at `now`.
    constexpr duration min_rtt() const noexcept { return duration{std::int64_t{min_rtt_} * step}; }
    constexpr time_point min_rtt_at(time_point now) const noexcept { return now - min_rtt_at_.until(now); }
    constexpr void keep_min_rtt(duration rtt, time_point at) noexcept
    {
        min_rtt_ = rtt > duration{} ? std::max(narrow(rtt.ns / step), 1U) : 0;
        min_rtt_at_ = at;
    }

private:
    static constexpr std::uint32_t largest = 0xFFFF'FFFF;
    static constexpr std::int64_t step = 8;  // ns: a whole number of them are a microsecond
    static constexpr std::uint32_t narrow(std::int64_t n) noexcept
    {
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(n, 0, largest));
    }

    std::uint32_t cwnd_ = 0;
    std::uint32_t ssthresh_ = 0;
    std::uint32_t min_rtt_ = 0;
    coarse_time min_rtt_at_{};
};

// The receiving machinery; exists while a hole is open.
struct receiver_active {
    reassembly_queue queue;
};

template <class B>
struct connection : transmission_control_block {
    near_offset taken_told{};  // so many octets the reader had taken when the window policy was last told
    typename B::receive_window window;
    typename B::rto rto;
    typename B::ack ack_policy;
    idle_windows idle;  // what is known of the path, kept while sender_active is given back
    // Beside idle_cwnd, for a controller that asks for it (RFC 7661); for others it takes no room.
    struct not_kept {};
    [[no_unique_address]] std::conditional_t<remembers_validation<typename B::congestion>, time_point, not_kept>
        validated_at{};
};

// Tells connections of one stack apart in the observer's events.
inline event::connection_key key_of(const transmission_control_block& c) noexcept
{
    return event::connection_key{c.self.generation} << 32 | c.self.index;
}

// What the connections of one stack share.
template <class B>
struct tcp_host {
    static_assert(bundle_check<B, scoreboard>::value);

    struct limits {
        std::uint32_t connections = 65'536;
        std::uint32_t small_slots = 4'096;  // 2 KiB each: short writes, small payloads copied out
        std::uint32_t large_slots = 1'024;  // 32 KiB each: bulk writes
        std::uint32_t fast_open_servers = 64;  // whose cookies are kept
    };

    tcp_host(const tcp_settings& s, const policy_configs<B>& p, const stack_seed& seed, const limits& l)
        : settings{s}, policies{p}, small{2'048, l.small_slots}, large{32'768, l.large_slots}, senders{l.connections},
          receivers{l.connections}, accurate{l.connections}, time_wait{p.time_wait}, gate{p.send_gate}, isn{p.isn},
          syn_defence{p.syn_defence}, observer{p.observer}, timestamp_key{derive_key(seed, 2)},
          random{derive_key(seed, 3).k0}, fast_open_server{derive_key(seed, 8)},
          fast_open_client{l.fast_open_servers}, cookies{derive_key(seed, 9)}
    {
        isn.seed(derive_seed(seed, 1));
        if constexpr (seeded_syn_defence<typename B::syn_defence>) {
            syn_defence.seed(derive_seed(seed, 10));
        }
    }

    tcp_settings settings;
    policy_configs<B> policies;
    buffer_pool small;
    buffer_pool large;
    slab<sender_active<B>> senders;
    slab<receiver_active> receivers;
    slab<accurate_ecn> accurate;
    // Builds with TCPCO_BOTH_WAYS lend these to the long way of a segment (both_ways.hpp). Empty, and unused.
    receive_queue compared{};
    struct not_compared {};
    [[no_unique_address]] std::conditional_t<goes_both_ways, sender_active<B>, not_compared> compared_sender{};
    typename B::time_wait time_wait;
    typename B::send_gate gate;
    typename B::isn isn;
    typename B::syn_defence syn_defence;
    typename B::observer observer;
    siphash_key timestamp_key;
    random_source random;
    fast_open_keys fast_open_server;
    fast_open_cache fast_open_client;
    syn_cookies cookies;
    path_mtu_cache paths;
    ecn_refusals ecn_refused{};
    path_probing probing = path_probing::on_black_hole;
    stack_counters counters;
    octet_count mtu = 1500;   // of the device, IP header included; of a path: path_mtu_of()
    octet_count tso_max = 0;  // largest TCP payload of one frame; 0: no segmentation offload
};

// One call into the stack: when it happens, and what it leaves to be sent without a TCB.
template <class B>
struct step {
    tcp_host<B>& host;
    time_point now{};
    pending_segment reply{};
    bool doubtful = false;  // R1 is reached: the way to the peer may have changed (RFC 9293 3.8.3)
    bool compared = false;  // only to be compared with a short way: host.compared_sender is the sending half

    [[gnu::always_inline]] sender_active<B>* sender(const connection<B>& c) noexcept
    {
        if constexpr (goes_both_ways) {
            if (compared) {
                return c.sender ? &host.compared_sender : nullptr;
            }
        }
        return host.senders.get(c.sender);
    }
    receiver_active* receiver(const connection<B>& c) noexcept { return host.receivers.get(c.receiver); }
    accurate_ecn* accurate(const connection<B>& c) const noexcept { return host.accurate.get(c.accurate); }
    void drop(drop_reason reason) noexcept { host.counters.drop(reason); }
};

// IP and TCP header without options.
inline octet_count fixed_headers(const ip_address& address) noexcept { return address.is_v4() ? 40 : 60; }

// What a packet of this connection may measure, IP header included.
template <class B>
octet_count path_mtu_of(const connection<B>& c, const tcp_host<B>& host) noexcept
{
    return c.path_mtu != 0 && c.path_mtu < host.mtu ? octet_count{c.path_mtu} : host.mtu;
}

// Payload of a full-sized segment: what both ends can take, less the options that every segment carries (RFC 9293
// 3.7.1, MUST-16; RFC 6691).
template <class B>
void update_smss(connection<B>& c, step<B>& st)
{
    const octet_count path = path_mtu_of(c, st.host) - fixed_headers(c.remote.address);
    const octet_count largest = std::min<octet_count>(c.peer_mss, path) - (c.timestamps ? 12 : 0);
    c.smss = static_cast<std::uint16_t>(std::clamp<octet_count>(largest, 1, 65'535));
}

// The same in mid-life: the controller hears of it.
template <class B>
void change_smss(connection<B>& c, step<B>& st)
{
    const octet_count before = c.smss;
    update_smss(c, st);
    if constexpr (told_of_smss_change<typename B::congestion>) {
        if (sender_active<B>* s = st.sender(c); s != nullptr && before != c.smss) {
            s->congestion.on_smss_change(before, c.smss);
            if (s->before) {
                s->before->on_smss_change(before, c.smss);  // an undo must not bring back less than one segment
            }
        }
    }
}

// What is known of the path may have changed: another connection heard of a narrower place, or it was forgotten, and
// the next full-sized segment tells whether the path is wider now (RFC1191-6.3b).
template <class B>
void follow_path_mtu(connection<B>& c, step<B>& st)
{
    const std::uint16_t known = st.host.paths.find(c.remote.address, st.now);
    if (known != c.path_mtu) {
        c.path_mtu = known;
        change_smss(c, st);
    }
}

}  // namespace tcpco
