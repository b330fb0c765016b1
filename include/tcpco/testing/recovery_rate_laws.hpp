// What every recovery rate (PRR and its kin) owes: check_recovery_rate_laws<P>() plays recoveries on a P, sends
// whatever its window allows, and returns which of these laws it broke.
//
// PRR keeps all of them. What differs on purpose names what it does not keep: to let each delivered octet be replaced
// is not `proportional`, to wait until the pipe is down to ssthresh is not `steady`, and the burst after that breaks
// `no_burst`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace recovery_rate_law {

inline constexpr law never_silent{"an empty pipe may be filled again", "RFC 9937 1"};
inline constexpr law conserves{"above ssthresh no more is sent than was delivered, and one segment", "RFC 9937 6.2"};
inline constexpr law proportional{"above ssthresh no more leaves than the share of what arrived", "RFC 9937 6.2"};
inline constexpr law steady{"above ssthresh the share of what arrived may leave", "RFC 9937 6.2"};
inline constexpr law bounded{"below ssthresh no more is aimed at than ssthresh, and one segment", "RFC 9937 6.2"};
inline constexpr law no_burst{"below ssthresh an ACK releases what was delivered and two segments", "RFC 9937 6.2"};
inline constexpr law goes_on{"below ssthresh what was delivered may be replaced", "RFC 9937 6.2"};
inline constexpr law no_overflow{"nothing overflows at 2^32-1 octets", "policy/congestion/limits.hpp"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated"};

}  // namespace recovery_rate_law

namespace detail {

struct rate_event {
    enum class kind : std::uint8_t { enter, delivered, lost, send };
    kind what = kind::delivered;
    std::uint32_t a = 0;  // enter: the flight in segments, else thousandths of what there is
    std::uint32_t b = 0;  // enter: SMSS, lost: how much, in thousandths of what is in flight
    bool flag = false;    // una advanced; of an entry: ssthresh is small
};

template <tcpco::recovery_rate P>
class rate_player {
public:
    rate_player(const typename P::config& config, law_sheet& sheet) : policy_{config}, twin_{config}, sheet_{sheet} {}

    void play(const std::vector<rate_event>& script)
    {
        if (script.empty() || script.front().what != kind::enter) {
            enter({.what = kind::enter, .a = 20, .b = 1'000});
            sheet_.note([&] { return said_; });
        }
        for (std::size_t i = 0; i < script.size(); ++i) {
            sheet_.begin(i);
            play(script[i]);
            judge();
            sheet_.note([&] { return said_ + ": cwnd " + std::to_string(policy_.cwnd()); });
            if (i == script.size() / 2) {
                twin_ = policy_;
            }
        }
    }

private:
    using kind = rate_event::kind;

    void play(const rate_event& e)
    {
        switch (e.what) {
        case kind::enter: enter(e); break;
        case kind::delivered: acknowledge(e, 0); break;
        case kind::lost:
            acknowledge(e, std::min(in_flight_, std::max(in_flight_ * e.b / 1'000, smss_)));
            break;
        case kind::send: send(e.a); break;
        }
    }

    void enter(const rate_event& e)
    {
        smss_ = std::max<octet_count>(e.b, 1);
        const octet_count flight = std::max<octet_count>(e.a, 4) * smss_;
        ssthresh_ = std::max(e.flag ? flight / 8 : flight / 2, 2 * smss_);
        in_flight_ = flight - 2 * smss_;  // one was lost, one delivered
        largest_ = std::max(flight, largest_);
        first_window_ = flight;  // RecoverFS
        delivered_ = delivered_since_ = smss_;
        sent_ = sent_since_ = 0;
        above_ = always_above_ = true;
        unused_ = false;
        const recovery_started s{.in_flight = flight,
                                 .sacked = smss_,
                                 .pipe = in_flight_,
                                 .newly_delivered = smss_,
                                 .ssthresh = ssthresh_,
                                 .smss = smss_};
        policy_.on_enter(s);
        twin_.on_enter(s);
        said_ = "recovery begins, " + std::to_string(flight) + " in flight, ssthresh " + std::to_string(ssthresh_);
        transmit(smss_);  // the first retransmission waits for no window
    }

    void acknowledge(const rate_event& e, octet_count lost)
    {
        const octet_count delivered = std::min(in_flight_ - lost, std::max(in_flight_ * e.a / 1'000, smss_));
        unused_ = unused_ || policy_.cwnd() - in_flight_ >= smss_;
        in_flight_ -= delivered + lost;
        delivered_ += delivered;
        delivered_since_ += delivered;
        const recovery_progress g{
            .delivered = delivered, .newly_lost = lost, .una_advanced = e.flag, .in_flight = in_flight_, .smss = smss_};
        policy_.on_ack(g);
        twin_.on_ack(g);
        said_ = std::to_string(delivered) + " delivered, " + std::to_string(lost) + " more lost, " +
                std::to_string(in_flight_) + " in flight";
        if (in_flight_ == 0 && delivered > 0) {
            expect(recovery_rate_law::never_silent, policy_.cwnd() > 0, "at least", 1);
        }
        above_ = in_flight_ > ssthresh_;
        always_above_ = always_above_ && above_;
        if (delivered > 0) {
            above_ ? judge_above() : judge_below(delivered);
        }
    }

    octet_count room() const { return std::max<octet_count>(policy_.cwnd() - in_flight_, 0); }

    // The share: ssthresh / RecoverFS. Once the pipe was below ssthresh there is more in flight than it would leave.
    void judge_above()
    {
        const octet_count share = mul_div_up(delivered_since_, ssthresh_, first_window_);
        const octet_count most = in_flight_ + std::max<octet_count>(share - sent_since_, 0) + smss_;
        if (always_above_) {
            expect(recovery_rate_law::proportional, policy_.cwnd() <= most, "at most", most);
        }
        if (always_above_ && !unused_) {  // what was not used may be lost
            const octet_count least = in_flight_ + share - sent_since_ - smss_;
            expect(recovery_rate_law::steady, policy_.cwnd() >= least, "at least", least);
        }
    }
    void judge_below(octet_count delivered)
    {
        expect(recovery_rate_law::bounded, policy_.cwnd() <= ssthresh_ + smss_, "at most", ssthresh_ + smss_);
        const octet_count owed = std::max(delivered_since_ - sent_since_, delivered);
        const octet_count most = in_flight_ + owed + 2 * smss_;
        expect(recovery_rate_law::no_burst, policy_.cwnd() <= most, "at most", most);
        const octet_count least = std::min(in_flight_ + delivered, ssthresh_) - smss_;
        expect(recovery_rate_law::goes_on, policy_.cwnd() >= least, "at least", least);
    }

    void send(std::uint32_t permille)
    {
        const octet_count octets = room() * std::min<std::uint32_t>(permille, 1'000) / 1'000;
        said_ = std::to_string(octets) + " sent";
        if (octets > 0) {
            transmit(octets);
            if (above_) {
                sheet_.expect(recovery_rate_law::conserves, sent_ <= delivered_ + smss_, [&] {
                    return said_ + ", in all " + std::to_string(sent_) + "; the law wants at most " +
                           std::to_string(delivered_ + smss_);
                });
            } else {
                sent_ = std::min(sent_, delivered_);  // here it may grow
            }
        }
    }
    void transmit(octet_count octets)
    {
        in_flight_ += octets;
        sent_ += octets;
        sent_since_ += octets;
        policy_.on_transmit(octets);
        twin_.on_transmit(octets);
    }

    void judge()
    {
        const octet_count most = 1'000 * largest_;  // what runs away breaks another law
        expect(recovery_rate_law::no_overflow, policy_.cwnd() >= 0 && policy_.cwnd() <= most, "from 0 to", most);
        expect(recovery_rate_law::same_state, policy_.cwnd() == twin_.cwnd(),
               "as a second one has that was told the same,", twin_.cwnd());
    }
    void expect(const law& l, bool held, const char* wanted, octet_count bound)
    {
        sheet_.expect(l, held, [&] {
            return said_ + ": cwnd is " + std::to_string(policy_.cwnd()) + "; the law wants it " + wanted + " " +
                   std::to_string(bound);
        });
    }

    P policy_;
    P twin_;  // is told the same
    law_sheet& sheet_;
    std::string said_;
    octet_count smss_ = 1;
    octet_count ssthresh_ = 0;
    octet_count in_flight_ = 0;
    octet_count delivered_ = 0;
    octet_count sent_ = 0;
    octet_count delivered_since_ = 0;  // since recovery began
    octet_count sent_since_ = 0;
    octet_count first_window_ = 1;
    octet_count largest_ = 0;
    bool always_above_ = true;  // ... and so did all before it
    bool unused_ = false;       // an ACK came before all was sent that the window allowed
    bool above_ = true;  // the last ACK left more than ssthresh in flight
};

template <tcpco::recovery_rate P>
struct rate_suite {
    using event = rate_event;
    const typename P::config& config;

    static event entry(random_source& random)
    {
        const bool large = random.below(5) == 0;
        return {.what = event::kind::enter,
                .a = large ? 0xFFFF'FFFF / 8'948 : 4 + random.below(100),
                .b = large ? 8'948 : 1 + random.below(2'000),
                .flag = random.below(4) == 0};
    }
    std::vector<event> script(random_source& random, std::uint32_t count) const
    {
        std::vector<event> made{entry(random)};
        while (made.size() < count) {
            const std::uint32_t draw = random.below(40);
            event e{.what = draw < 19 ? event::kind::send : draw < 36 ? event::kind::delivered : event::kind::lost};
            e.a = e.what == event::kind::send ? (random.below(4) == 0 ? random.below(1'000) : 1'000)
                                              : random.below(random.below(4) == 0 ? 1'000 : 80);
            e.flag = random.below(2) == 0;
            e.b = random.below(3) == 0 ? random.below(900) : 0;
            made.push_back(draw == 39 ? entry(random) : e);
        }
        return made;
    }
    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        rate_player<P> player{config, sheet};
        player.play(script);
    }
};

}  // namespace detail

template <tcpco::recovery_rate P>
law_report check_recovery_rate_laws(const typename P::config& config = {}, const law_options& options = {})
{
    return check_laws(detail::rate_suite<P>{config}, options);
}

}  // namespace tcpco::testing
