// What every RTO estimator owes: check_rto_laws<E>() plays samples, timeouts and progress on an E and returns which of
// these laws it broke.
//
// `minimum` and `maximum` of the options are the bounds it was configured to keep; an estimator whose config has
// members of these names gives them itself.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace rto_law {

inline constexpr law initial{"before the first sample the RTO is a second or more", "RFC 6298 2.1"};
inline constexpr law first_sample{"the first sample makes the RTO three times as long or longer", "RFC 6298 2.2"};
inline constexpr law variation{"a round trip that varies makes the RTO longer", "RFC 6298 2.3"};
inline constexpr law bounds{"the RTO stays within its bounds", "RFC 6298 2.4, 2.5"};
inline constexpr law above_srtt{"the RTO is never below the smoothed round trip", "RFC 6298 2.2, 2.3"};
inline constexpr law between_samples{"the smoothed round trip lies between the samples", "RFC 6298 2.3"};
inline constexpr law backs_off{"a timeout doubles the RTO, up to its bound", "RFC 6298 5.5"};
inline constexpr law no_leap{"a timeout does not make the RTO more than four times as long", "RFC 6298 5.5"};
inline constexpr law a_minute{"the back-off goes to a minute at the least", "RFC 6298 2.5"};
inline constexpr law lost_syn{"after a SYN that timed out data begins with three seconds or more", "RFC 6298 5.7"};
inline constexpr law karn{"progress without a sample does not end the back-off", "RFC 6298 5, Karn"};
inline constexpr law sample_ends_back_off{"a sample ends the back-off", "RFC 6298 5.7"};
inline constexpr law spurious_never_raises{"a spurious timeout never raises the RTO", "RFC 4015 3.3"};
inline constexpr law monotone{"of two samples above SRTT the longer gives no shorter RTO", "RFC 6298 2.3"};
inline constexpr law settles{"the RTO settles where the round trip does", "RFC 6298 2.3"};
inline constexpr law no_overflow{"samples of hours and years overflow nothing", "core/time.hpp"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated"};

}  // namespace rto_law

struct rto_law_options : law_options {
    duration minimum{1};                // RFC 6298 2.4 would have 1 s here; most stacks have 200 ms
    duration maximum{240'000'000'000};  // RFC 6298 2.5: at least 60 s; no known stack has more than this
    duration initial{1'000'000'000};    // RFC 6298 2.1: the least that the first RTO may be
    duration after_lost_syn{3'000'000'000};  // RFC 6298 5.7: the least RTO for data after a SYN that timed out
    duration granularity{10'000'000};   // for a steady round trip the RTO comes down to twice that, and so much
};

namespace detail {

struct rto_event {
    enum class kind : std::uint8_t { sample, timeout, progress, spurious, steady, alternating, silence, huge };
    kind what = kind::sample;
    std::uint32_t microseconds = 0;  // of a huge sample: to which power of two it has nanoseconds, and what is added
    std::uint32_t per_round = 1;
    rtt_source source = rtt_source::transmission;
};

template <rto_estimator E>
class rto_player {
public:
    rto_player(const typename E::config& config, const rto_law_options& options, law_sheet& sheet)
        : policy_{config}, twin_{config}, options_{options}, sheet_{sheet}
    {
    }

    void play(const std::vector<rto_event>& script)
    {
        said_ = "no sample yet";
        expect(rto_law::initial, policy_.rto() >= options_.initial, "at least", options_.initial);
        lose_syn();
        for (std::size_t i = 0; i < script.size(); ++i) {
            sheet_.begin(i);
            play(script[i]);
            judge();
            sheet_.note([&] { return said_ + ": rto " + text(policy_.rto()) + ", srtt " + text(policy_.srtt()); });
            if (i == script.size() / 2) {
                twin_ = policy_;
            }
        }
    }

private:
    using kind = rto_event::kind;

    void play(const rto_event& e)
    {
        const duration before = policy_.rto();
        switch (e.what) {
        case kind::sample: sample(e); break;
        case kind::timeout:
            said_ = "timeout";
            policy_.on_retransmission_timeout();
            twin_.on_retransmission_timeout();
            judge_timeout(before);
            break;
        case kind::progress:
            said_ = "progress without a sample";
            policy_.on_forward_progress();
            twin_.on_forward_progress();
            if (backed_off_ && of_data_) {  // the handshake's own back-off may end with it (5.7)
                expect(rto_law::karn, policy_.rto() >= before, "at least", before);
            }
            break;
        case kind::spurious:
            said_ = "the timeout was spurious";
            policy_.on_spurious_timeout();
            twin_.on_spurious_timeout();
            backed_off_ = false;
            expect(rto_law::spurious_never_raises, policy_.rto() <= before, "at most", before);
            break;
        case kind::steady: settle(e); break;
        case kind::alternating: vary(e); break;
        case kind::silence: stay_silent(); break;
        case kind::huge: exceed(e); break;
        }
    }

    // Another estimator: its SYN timed out and is acknowledged then, of which no sample is taken (Karn).
    void lose_syn()
    {
        E other = policy_;
        other.on_retransmission_timeout();
        other.on_forward_progress();
        const duration least = std::min(options_.after_lost_syn, options_.maximum);
        sheet_.expect(rto_law::lost_syn, other.rto() >= least, [&] {
            return "a SYN timed out, then it is acknowledged: rto is " + text(other.rto()) +
                   "; the law wants at least " + text(least);
        });
    }

    // RFC 6298 section 1 lets an RTO be longer than the algorithm gives; a leap to the bound would be no back-off.
    void judge_timeout(duration before)
    {
        const duration doubled = std::min(before, options_.maximum) * 2;
        expect(rto_law::backs_off, policy_.rto() >= std::min(doubled, options_.maximum), "at least",
               std::min(doubled, options_.maximum));
        if (before <= options_.maximum) {
            expect(rto_law::no_leap, policy_.rto() <= doubled * 2, "at most", doubled * 2);
        }
        backed_off_ = true;
    }

    void sample(const rto_event& e)
    {
        const rtt_sample s{.rtt = duration{e.microseconds * std::int64_t{1'000}},
                           .samples_per_round = e.per_round,
                           .source = e.source};
        said_ = "sample of " + text(s.rtt) + ", one of " + std::to_string(e.per_round);
        // Another estimator in the same state gets half as much again.
        E longer = policy_;
        rtt_sample more = s;
        more.rtt = s.rtt + s.rtt / 2 + duration{1'000};
        const bool above = s.rtt >= policy_.srtt();
        const bool first = most_ < duration::zero();
        give(s);
        if (first) {  // SRTT = R, RTTVAR = R / 2
            const duration least = std::min(s.rtt * 3, options_.maximum);
            expect(rto_law::first_sample, policy_.rto() >= least, "at least", least);
        }
        longer.on_rtt_sample(more);
        if (above) {
            expect(rto_law::monotone, longer.rto() >= policy_.rto(), "at most, for a longer sample gives no more,",
                   longer.rto());
        }
        E again = policy_;  // without any back-off, whatever it was
        again.on_spurious_timeout();
        if (backed_off_) {
            expect(rto_law::sample_ends_back_off, policy_.rto() <= again.rto(), "at most", again.rto());
        }
        backed_off_ = false;
    }

    // Fifty pairs of R and 3 R: RTTVAR comes to R, and the RTO to 6 R. A smoothed round trip alone comes to 2 R.
    void vary(const rto_event& e)
    {
        const duration rtt{std::max<std::int64_t>(e.microseconds, 1) * 1'000};
        said_ = "fifty times a sample of " + text(rtt) + " and one of " + text(rtt * 3);
        for (int i = 0; i < 50; ++i) {
            give({.rtt = rtt});
            give({.rtt = rtt * 3});
        }
        backed_off_ = false;
        const duration least = std::min(rtt * 5, options_.maximum);
        expect(rto_law::variation, policy_.rto() >= least, "at least", least);
    }

    void stay_silent()
    {
        said_ = "forty timeouts in a row";
        for (int i = 0; i < 40; ++i) {
            policy_.on_retransmission_timeout();
            twin_.on_retransmission_timeout();
        }
        backed_off_ = true;
        expect(rto_law::a_minute, policy_.rto() >= minute, "at least", minute);
    }

    // A clock that was stopped, a timestamp that lies: more microseconds than 32 bits hold, more than an hour in any
    // case. What comes after it is judged by what needs no memory of it.
    void exceed(const rto_event& e)
    {
        constexpr std::array<int, 4> powers{42, 43, 52, 60};  // 4'398 s to 36 years
        const duration rtt{(std::int64_t{1} << powers[e.microseconds % 4]) + e.microseconds};
        said_ = "a sample of " + text(rtt);
        const duration longest = std::max(policy_.srtt(), rtt);
        give({.rtt = rtt});
        backed_off_ = false;
        exceeded_ = true;
        const duration least = std::min(rtt / 16, options_.maximum);
        expect(rto_law::no_overflow, policy_.rto() >= least, "at least", least);
        // It may stop at hours, which no RTO is and no round trip was.
        const duration least_srtt = std::min(rtt / 16, duration{3'600'000'000'000});
        expect(rto_law::no_overflow, policy_.srtt() >= least_srtt, "an SRTT of at least", least_srtt);
        expect(rto_law::no_overflow, policy_.srtt() <= longest, "an SRTT of at most", longest);
        expect(rto_law::no_overflow, policy_.rttvar() >= duration::zero(), "an RTTVAR of at least", duration::zero());
    }

    // A hundred rounds of the same: the variance has gone.
    void settle(const rto_event& e)
    {
        const duration rtt{std::max<std::int64_t>(e.microseconds, 1) * 1'000};
        said_ = "a hundred samples of " + text(rtt);
        for (int i = 0; i < 100; ++i) {
            give({.rtt = rtt});
        }
        backed_off_ = false;
        const duration most =
            std::min(std::max(rtt * 2 + options_.granularity, options_.minimum * 2), options_.maximum);
        if (!exceeded_) {
            expect(rto_law::settles, policy_.rto() <= std::max(most, options_.minimum), "at most", most);
        }
    }

    void give(const rtt_sample& s)
    {
        policy_.on_rtt_sample(s);
        twin_.on_rtt_sample(s);
        least_ = std::min(least_, s.rtt);
        most_ = std::max(most_, s.rtt);
        of_data_ = of_data_ || s.source != rtt_source::handshake;
    }

    void judge()
    {
        const duration rto = policy_.rto();
        expect(rto_law::bounds, rto >= options_.minimum, "at least", options_.minimum);
        expect(rto_law::bounds, rto <= options_.maximum, "at most", options_.maximum);
        if (most_ >= duration::zero() && !exceeded_) {
            const duration srtt = policy_.srtt();
            expect(rto_law::above_srtt, rto >= std::min(srtt, options_.maximum), "at least", srtt);
            // A nanosecond is the least that a round trip can take.
            expect(rto_law::between_samples, srtt >= least_, "an SRTT of at least", least_);
            expect(rto_law::between_samples, srtt <= std::max(most_, duration{1}), "an SRTT of at most", most_);
        }
        const bool same = rto == twin_.rto() && policy_.srtt() == twin_.srtt() && policy_.rttvar() == twin_.rttvar();
        expect(rto_law::same_state, same, "what a second one that was told the same has:", twin_.rto());
    }

    void expect(const law& l, bool held, const char* wanted, duration bound)
    {
        sheet_.expect(l, held, [&] {
            return said_ + ": rto is " + text(policy_.rto()) + ", srtt " + text(policy_.srtt()) + "; the law wants " +
                   wanted + " " + text(bound);
        });
    }
    static std::string text(duration d) { return std::to_string(d.microseconds()) + " us"; }

    static constexpr duration minute{60'000'000'000};

    E policy_;
    E twin_;  // is told the same
    const rto_law_options& options_;
    law_sheet& sheet_;
    std::string said_;
    duration least_ = duration::max();
    duration most_{-1};  // negative: no sample yet
    bool backed_off_ = false;
    bool exceeded_ = false;  // a sample was longer than any path
    bool of_data_ = false;  // a sample was not the handshake's
};

template <rto_estimator E>
struct rto_suite {
    using event = rto_event;
    const typename E::config& config;
    const rto_law_options& options;

    std::vector<event> script(random_source& random, std::uint32_t count) const
    {
        constexpr std::array<std::uint32_t, 5> scales{50, 5'000, 100'000, 2'000'000, 90'000'000};
        const std::uint32_t scale = scales[random.below(5)];
        std::vector<event> made;
        while (made.size() < count) {
            event e;
            const std::uint32_t draw = random.below(23);
            e.what = draw < 11   ? event::kind::sample
                     : draw < 15 ? event::kind::timeout
                     : draw < 17 ? event::kind::progress
                     : draw < 19 ? event::kind::spurious
                     : draw < 20 ? event::kind::steady
                     : draw < 21 ? event::kind::alternating
                     : draw < 22 ? event::kind::silence
                                 : event::kind::sample;
            if (made.size() * 10 > count * 9 && random.below(10) == 0) {
                e.what = event::kind::huge;
            }
            e.microseconds = random.below(10) == 0  ? 0
                             : random.below(5) == 0 ? random.below(10 * scale)
                                                    : scale + random.below(scale / 4);
            e.per_round = random.below(3) == 0 ? 1 + random.below(100) : 1;
            e.source = made.empty() ? rtt_source::handshake : rtt_source::transmission;
            made.push_back(e);
        }
        return made;
    }
    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        rto_player<E> player{config, options, sheet};
        player.play(script);
    }
};

}  // namespace detail

template <rto_estimator E>
law_report check_rto_laws(const typename E::config& config = {}, rto_law_options options = {})
{
    if constexpr (requires {
                      {
                          config.minimum
                          } -> std::convertible_to<duration>;
                  }) {
        options.minimum = config.minimum;
    }
    if constexpr (requires {
                      {
                          config.maximum
                          } -> std::convertible_to<duration>;
                  }) {
        options.maximum = config.maximum;
    }
    return check_laws(detail::rto_suite<E>{config, options}, options);
}

}  // namespace tcpco::testing
