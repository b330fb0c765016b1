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

inline constexpr law bounds{"the RTO stays within its bounds", "RFC 6298 2.4, 2.5"};
inline constexpr law above_srtt{"the RTO is never below the smoothed round trip", "RFC 6298 2.2, 2.3"};
inline constexpr law between_samples{"the smoothed round trip lies between the samples", "RFC 6298 2.3"};
inline constexpr law backs_off{"a timeout doubles the RTO, up to its bound", "RFC 6298 5.5"};
inline constexpr law karn{"progress without a sample does not end the back-off", "RFC 6298 5, Karn"};
inline constexpr law sample_ends_back_off{"a sample ends the back-off", "RFC 6298 5.7"};
inline constexpr law spurious_never_raises{"a spurious timeout never raises the RTO", "RFC 4015 3.3"};
inline constexpr law monotone{"of two samples above SRTT the longer gives no shorter RTO", "RFC 6298 2.3"};
inline constexpr law settles{"the RTO settles where the round trip does", "RFC 6298 2.3"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated"};

}  // namespace rto_law

struct rto_law_options : law_options {
    duration minimum{1};                // RFC 6298 2.4 would have 1 s here; most stacks have 200 ms
    duration maximum{240'000'000'000};  // RFC 6298 2.5: at least 60 s; no known stack has more than this
    duration granularity{10'000'000};   // for a steady round trip the RTO comes down to twice that, and so much
};

namespace detail {

struct rto_event {
    enum class kind : std::uint8_t { sample, timeout, progress, spurious, steady };
    kind what = kind::sample;
    std::uint32_t microseconds = 0;
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
            expect(rto_law::backs_off, policy_.rto() >= std::min(before * 2, options_.maximum), before);
            backed_off_ = true;
            break;
        case kind::progress:
            said_ = "progress without a sample";
            policy_.on_forward_progress();
            twin_.on_forward_progress();
            if (backed_off_ && of_data_) {  // the handshake's own back-off may end with it (5.7)
                expect(rto_law::karn, policy_.rto() >= before, before);
            }
            break;
        case kind::spurious:
            said_ = "the timeout was spurious";
            policy_.on_spurious_timeout();
            twin_.on_spurious_timeout();
            backed_off_ = false;
            expect(rto_law::spurious_never_raises, policy_.rto() <= before, before);
            break;
        case kind::steady: settle(e); break;
        }
    }

    void sample(const rto_event& e)
    {
        const rtt_sample s{.rtt = duration{e.microseconds * std::int64_t{1'000}},
                           .samples_per_round = e.per_round,
                           .source = e.source};
        said_ = "sample of " + text(s.rtt) + ", one of " + std::to_string(e.per_round);
        const duration before = policy_.rto();
        // Another estimator in the same state gets half as much again.
        E longer = policy_;
        rtt_sample more = s;
        more.rtt = s.rtt + s.rtt / 2 + duration{1'000};
        const bool above = s.rtt >= policy_.srtt();
        give(s);
        longer.on_rtt_sample(more);
        if (above) {
            expect(rto_law::monotone, longer.rto() >= policy_.rto(), longer.rto());
        }
        E again = policy_;  // without any back-off, whatever it was
        again.on_spurious_timeout();
        if (backed_off_) {
            expect(rto_law::sample_ends_back_off, policy_.rto() <= again.rto(), before);
        }
        backed_off_ = false;
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
        expect(rto_law::settles, policy_.rto() <= std::max(most, options_.minimum), most);
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
        expect(rto_law::bounds, rto >= options_.minimum && rto <= options_.maximum, options_.maximum);
        if (most_ >= duration::zero()) {
            const duration srtt = policy_.srtt();
            expect(rto_law::above_srtt, rto >= std::min(srtt, options_.maximum), srtt);
            // A nanosecond is the least that a round trip can take.
            expect(rto_law::between_samples, srtt >= least_ && srtt <= std::max(most_, duration{1}), most_);
        }
        const bool same = rto == twin_.rto() && policy_.srtt() == twin_.srtt() && policy_.rttvar() == twin_.rttvar();
        expect(rto_law::same_state, same, twin_.rto());
    }

    void expect(const law& l, bool held, duration bound)
    {
        sheet_.expect(l, held, [&] {
            return said_ + ": rto " + text(policy_.rto()) + ", srtt " + text(policy_.srtt()) + "; what counts is " +
                   text(bound);
        });
    }
    static std::string text(duration d) { return std::to_string(d.microseconds()) + " us"; }

    E policy_;
    E twin_;  // is told the same
    const rto_law_options& options_;
    law_sheet& sheet_;
    std::string said_;
    duration least_ = duration::max();
    duration most_{-1};  // negative: no sample yet
    bool backed_off_ = false;
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
            const std::uint32_t draw = random.below(20);
            e.what = draw < 11   ? event::kind::sample
                     : draw < 15 ? event::kind::timeout
                     : draw < 17 ? event::kind::progress
                     : draw < 19 ? event::kind::spurious
                                 : event::kind::steady;
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
