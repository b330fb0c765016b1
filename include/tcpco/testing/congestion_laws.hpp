// What every congestion controller owes to its connection and to the network; check_congestion_laws<C>() plays scripts
// on a C and returns which of these it broke, each with the shortest sequence of events that shows it.
//
//     using namespace tcpco::testing;
//     const law_report r = check_congestion_laws<my_controller>({.gain = 3});
//     if (!r.holds()) { std::cerr << r.text(); }
//
// A controller that steers by a model of the path and not by its window (trait `regulates_recovery`: BBR) owes less:
// `window_laws` are not asked of it. One that differs on purpose (a fixed window) names the laws in options.except.
//
// Not here: how good a controller is. A window that never grows keeps every law.
#pragma once

#include <array>

#include "tcpco/testing/congestion_player.hpp"

namespace tcpco::testing {

// Asked only of controllers whose window follows loss; those that regulate recovery themselves are excused.
inline constexpr std::array window_laws{
    congestion_law::limited_growth,        congestion_law::earned_growth,    congestion_law::only_acks_grow,
    congestion_law::no_growth_in_recovery, congestion_law::loss_reduces,     congestion_law::loss_share,
    congestion_law::measured_cut,          congestion_law::lost_again,       congestion_law::one_reduction,
    congestion_law::heeds_marks,           congestion_law::timeout_ssthresh, congestion_law::repeated_timeout,
    congestion_law::undo_ssthresh,         congestion_law::large_growth,     congestion_law::large_stays,
    congestion_law::slow_avoidance,
};

namespace detail {

// The suite for check_laws(): scripts of sender_event.
struct congestion_suite {
    using event = sender_event;
    const controller_handle& controller;

    std::vector<event> script(random_source& random, std::uint32_t count) const
    {
        std::vector<event> made{opening(random)};
        while (made.size() < count) {
            made.push_back(next(random, made.front()));
            follow(random, made);
        }
        return made;
    }
    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        congestion_player player{controller, sheet};
        player.play(script);
    }

    // a: SMSS, b: initial window in segments, c: the RTT in us, d: the window and ssthresh taken over, if any.
    static event opening(random_source& random)
    {
        constexpr std::array<std::uint32_t, 5> sizes{536, 1'220, 1'448, 8'948, 1};
        constexpr std::array<std::uint32_t, 4> trips{30, 1'000, 40'000, 600'000};
        event e{.what = sender_event::kind::establish};
        e.a = sizes[random.below(random.below(4) == 0 ? 5 : 4)];
        e.b = 1 + random.below(10);
        e.c = trips[random.below(4)];
        const std::uint32_t life = random.below(8);
        e.d = life == 0   ? 0xFFFF'FFFF
              : life == 1 ? 1 + random.below(e.a * 100)
              : life == 2 ? large_window(random)  // where products of 32 bits wrap
                          : 0;
        e.flag = random.below(2) == 0;  // what is taken over is in congestion avoidance
        return e;
    }

    static std::uint32_t large_window(random_source& random)
    {
        return (1u << (24 + random.below(8))) + random.below(1u << 20);
    }

    // What chance alone would seldom bring: the same data times out again, a retransmission is lost in its turn.
    static void follow(random_source& random, std::vector<event>& made)
    {
        using kind = sender_event::kind;
        const kind last = made.back().what;
        if (random.below(3) != 0) {
            return;
        }
        if (last == kind::timeout) {
            made.push_back({.what = kind::timeout});
        } else if (last == kind::loss) {
            made.push_back({.what = kind::ack, .a = 600, .b = made.front().c});
            made.push_back({.what = kind::send, .a = 1'000});
            made.push_back({.what = kind::lost_again});
        }
    }

    static event next(random_source& random, const event& first)
    {
        using kind = sender_event::kind;
        event e;
        const std::uint32_t draw = random.below(100);
        if (draw < 34) {
            e.what = kind::send;  // a: how much of the window's room, in a thousand
            e.a = random.below(4) == 0 ? random.below(1'000) : 1'000;
        } else if (draw < 76) {
            e.what = kind::ack;  // a: how much of the flight, in a thousand; b: the RTT in us, 0: no sample
            e.a = random.below(6) == 0 ? 0 : random.below(5) == 0 ? 1'000 : 1 + random.below(300);
            e.b = random.below(8) == 0 ? 0 : first.c + (random.below(2) == 0 ? 0 : random.below(3 * first.c));
            e.flag = random.below(30) == 0;  // with an echo of a mark
            e.c = random.below(2);           // which was counted
        } else {
            constexpr std::array rest{kind::loss,       kind::loss,    kind::loss,    kind::lost_again,
                                      kind::lost_again, kind::mark,    kind::mark,    kind::probe_repaired,
                                      kind::timeout,    kind::timeout, kind::timeout, kind::spurious,
                                      kind::spurious,   kind::idle,    kind::smss,    kind::packet_loss,
                                      kind::sack,       kind::sack,    kind::large_window,
                                      kind::marked_rounds};
            e.what = rest[random.below(rest.size())];
            constexpr std::array<std::uint32_t, 4> sizes{536, 1'220, 1'448, 8'948};
            e.a = e.what == kind::smss           ? sizes[random.below(4)]
                  : e.what == kind::idle         ? 1u << random.below(20)
                  : e.what == kind::large_window ? large_window(random)
                                                 : 1 + random.below(400);
            e.c = random.below(2);  // of a mark: counted
            e.flag = e.c == 1;      // of marked rounds: likewise
        }
        return e;
    }
};

}  // namespace detail

template <congestion_controller C>
law_report check_congestion_laws(const typename C::config& config = {}, law_options options = {})
{
    if constexpr (regulates_recovery_v<C>) {
        options.except.insert(options.except.end(), window_laws.begin(), window_laws.end());
    }
    const controller_handle_of<C> controller{config};
    return check_laws(detail::congestion_suite{controller}, options);
}

}  // namespace tcpco::testing
