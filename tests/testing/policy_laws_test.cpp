#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "catch.hpp"
#include "tcpco/policy/ack/adaptive.hpp"
#include "tcpco/policy/ack/delayed.hpp"
#include "tcpco/policy/ack/immediate.hpp"
#include "tcpco/policy/recovery_rate/packet_conservation.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"
#include "tcpco/policy/rto/fixed.hpp"
#include "tcpco/policy/rto/rfc6298.hpp"
#include "tcpco/testing/ack_laws.hpp"
#include "tcpco/testing/recovery_rate_laws.hpp"
#include "tcpco/testing/rto_laws.hpp"

using namespace tcpco;
using namespace tcpco::testing;

namespace {

void holds(const law_report& report, std::initializer_list<law> laws)
{
    INFO(report.text());
    CHECK(report.holds());
    for (const law& l : laws) {
        INFO(l.name);
        CHECK(report.checked(l) > 100);
    }
}

void is_broken(const law_report& report, const law& expected)
{
    INFO(report.text());
    CHECK(report.broken().size() == 1);
    REQUIRE(report.breaks(expected));
    CHECK(report.broken().front().events.size() <= 8);
}

// --- RTO mutants ---------------------------------------------------------------------------------------------------

using rto::rfc6298;

struct never_backs_off : rfc6298 {
    using rfc6298::rfc6298;
    void on_retransmission_timeout() {}
};
struct forgets_karn : rfc6298 {
    using rfc6298::rfc6298;
    void on_forward_progress() { on_spurious_timeout(); }
};
struct stays_backed_off : rfc6298 {
    using rfc6298::rfc6298;
    int timeouts = 0;
    int samples = 0;
    void on_retransmission_timeout()
    {
        ++timeouts;
        samples = 0;
    }
    void on_rtt_sample(const rtt_sample& s)
    {
        rfc6298::on_rtt_sample(s);
        timeouts = ++samples > 3 ? 0 : timeouts;
    }
    void on_spurious_timeout() { timeouts = 0; }
    duration rto() const
    {
        duration d = rfc6298::rto();
        for (int i = 0; i < timeouts && d < duration{120'000'000'000}; ++i) {
            d = d * 2;
        }
        return std::min(d, duration{120'000'000'000});
    }
};
struct knows_no_bound : rfc6298 {
    using rfc6298::rfc6298;
    std::int64_t factor = 1;
    void on_retransmission_timeout() { factor = std::min<std::int64_t>(factor * 2, 1 << 20); }
    void on_rtt_sample(const rtt_sample& s)
    {
        rfc6298::on_rtt_sample(s);
        factor = 1;
    }
    void on_spurious_timeout() { factor = 1; }
    duration rto() const { return rfc6298::rto() * factor; }
};
struct takes_less : rfc6298 {  // less than a round trip
    using rfc6298::rfc6298;
    int timeouts = 0;
    void on_retransmission_timeout() { ++timeouts; }
    void on_spurious_timeout() { timeouts = 0; }
    void on_forward_progress() {}
    void on_rtt_sample(const rtt_sample& s)
    {
        rfc6298::on_rtt_sample(s);
        timeouts = 0;
    }
    duration rto() const
    {
        constexpr duration longest{120'000'000'000};
        duration d = srtt() == duration{} ? duration{1'000'000'000} : std::max(srtt() * 3 / 4, duration{200'000'000});
        for (int i = 0; i < timeouts && d < longest; ++i) {
            d = d * 2;
        }
        return std::min(d, longest);
    }
};
struct believes_double : rfc6298 {  // a smoothed round trip that no sample had
    using rfc6298::rfc6298;
    duration srtt() const { return std::min(rfc6298::srtt() * 2, rto()); }
};
struct distrusts_long_samples : rfc6298 {
    using rfc6298::rfc6298;
    void on_rtt_sample(const rtt_sample& s)
    {
        if (s.rtt > duration{3'000'000'000} && srtt() != duration{} && srtt() < duration{1'000'000'000}) {
            on_spurious_timeout();  // it ends the back-off, but does not count
        } else {
            rfc6298::on_rtt_sample(s);
        }
    }
};
struct waits_three_times_as_long : rfc6298 {
    using rfc6298::rfc6298;
    duration rto() const { return std::min(rfc6298::rto() * 3, duration{120'000'000'000}); }
};
struct blames_itself : rfc6298 {
    using rfc6298::rfc6298;
    void on_spurious_timeout() { on_retransmission_timeout(); }
};
struct looks_where_it_lives : rfc6298 {
    using rfc6298::rfc6298;
    duration rttvar() const { return duration{static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(this))}; }
};

// --- ACK mutants ---------------------------------------------------------------------------------------------------

using base_ack = ack::delayed;

struct waits_for_ever : base_ack {
    using base_ack::base_ack;
    ack_decision on_segment(const received_segment& s)
    {
        const ack_decision d = base_ack::on_segment(s);
        return d.at == ack_decision::when::within ? ack_decision::within(duration{10'000'000'000}) : d;
    }
};
template <bool received_segment::*Flag, bool Value>
struct waits_with : base_ack {
    using base_ack::base_ack;
    ack_decision on_segment(const received_segment& s)
    {
        const ack_decision d = base_ack::on_segment(s);
        return s.*Flag == Value ? ack_decision::within(duration{40'000'000}) : d;
    }
};
struct acknowledges_each_third : base_ack {
    using base_ack::base_ack;
    ack_decision on_segment(const received_segment& s)
    {
        const bool third = s.unacked_octets >= 3 * s.rmss;
        const bool special = !s.in_order || s.fills_hole || s.duplicate || s.ce_changed;
        return special || third ? ack_decision::now() : ack_decision::within(duration{40'000'000});
    }
};
struct reports_each_octet : base_ack {
    using base_ack::base_ack;
    bool on_read(const window_growth&) const { return true; }
};
struct reports_nothing : base_ack {
    using base_ack::base_ack;
    bool on_read(const window_growth&) const { return false; }
};
struct acknowledges_by_mood : base_ack {
    using base_ack::base_ack;
    ack_decision on_segment(const received_segment& s)
    {
        static unsigned mood = 0;
        return ++mood % 7 == 0 ? ack_decision::now() : base_ack::on_segment(s);
    }
};

// --- mutants of recovery rates --------------------------------------------------------------------------------------

using reduction::prr;

struct falls_silent : prr {
    using prr::prr;
    octet_count cwnd() const { return silent ? 0 : prr::cwnd(); }
    void on_ack(const recovery_progress& g)
    {
        prr::on_ack(g);
        silent = g.in_flight == 0;
    }
    bool silent = false;
};
struct fills_the_pipe : prr {  // once it is below ssthresh, as if nothing had been lost
    using prr::prr;
    octet_count more = 0;
    octet_count ssthresh = 0;
    octet_count cwnd() const { return prr::cwnd() + more; }
    void on_enter(const recovery_started& s)
    {
        prr::on_enter(s);
        ssthresh = s.ssthresh;
        more = 0;
    }
    void on_ack(const recovery_progress& g)
    {
        prr::on_ack(g);
        more = g.in_flight <= ssthresh ? ssthresh : 0;
    }
};
struct forgets_what_it_sent : prr {
    using prr::prr;
    void on_transmit(octet_count) {}
};
struct wraps : prr {
    using prr::prr;
    octet_count cwnd() const { return static_cast<std::int32_t>(prr::cwnd()); }
};
struct dices : prr {
    using prr::prr;
    void on_transmit(octet_count octets)
    {
        static unsigned dice = 0;
        prr::on_transmit(++dice % 5 == 0 ? octets + 1 : octets);
    }
};

}  // namespace

TEST_CASE("laws: the RTO estimators keep all of them", "[testing][RFC6298-5.5a][RFC6298-2.5a][RFC6298-5.8a]")
{
    using namespace rto_law;
    const auto all = {bounds,   above_srtt, between_samples, backs_off, karn, sample_ends_back_off,
                      monotone, settles,    same_state,      spurious_never_raises};
    holds(check_rto_laws<rfc6298>(), all);
    holds(check_rto_laws<rfc6298>({.initial = 3_s, .minimum = 1_s, .maximum = 60_s}), all);
    holds(check_rto_laws<rfc6298>({.minimum = 1_ms, .granularity = 100_us}), all);
    // A number knows nothing of round trips, and takes its back-off back when anything is acknowledged.
    rto_law_options of_a_number{{.except = {above_srtt, karn, sample_ends_back_off, settles}}};
    of_a_number.maximum = 65'536_s;
    holds(check_rto_laws<rto::fixed>({.back_off = true}, of_a_number), {bounds, backs_off});
    CHECK(check_rto_laws<rto::fixed>({.back_off = false}, of_a_number).breaks(backs_off));
}

TEST_CASE("laws: each mutant of an RTO estimator breaks the law that is meant for it, and no other", "[testing]")
{
    is_broken(check_rto_laws<never_backs_off>(), rto_law::backs_off);
    is_broken(check_rto_laws<forgets_karn>(), rto_law::karn);
    is_broken(check_rto_laws<stays_backed_off>(), rto_law::sample_ends_back_off);
    is_broken(check_rto_laws<knows_no_bound>(), rto_law::bounds);
    is_broken(check_rto_laws<takes_less>(), rto_law::above_srtt);
    is_broken(check_rto_laws<believes_double>(), rto_law::between_samples);
    is_broken(check_rto_laws<distrusts_long_samples>(), rto_law::monotone);
    is_broken(check_rto_laws<waits_three_times_as_long>(), rto_law::settles);
    is_broken(check_rto_laws<blames_itself>(), rto_law::spurious_never_raises);
    is_broken(check_rto_laws<looks_where_it_lives>(), rto_law::same_state);
}

TEST_CASE("laws: the ACK policies keep all of them", "[testing][MUST-40][MUST-39][SHLD-19]")
{
    using namespace ack_law;
    const auto all = {second_segment, half_a_second,   out_of_order,        filled_hole, duplicate,
                      changed_mark,   no_silly_window, closed_window_opens, same_state};
    holds(check_ack_laws<ack::delayed>(), all);
    holds(check_ack_laws<ack::delayed>({.delay = 3_s, .quick_segments = 0}), all);
    holds(check_ack_laws<ack::delayed>({.stretch = true}), all);
    ack_law_options stretched;
    stretched.every = 8;
    holds(check_ack_laws<ack::delayed>({.every = 8, .quick_segments = 0}, stretched), all);
    CHECK(check_ack_laws<ack::delayed>({.every = 8, .quick_segments = 0}).breaks(second_segment));
    holds(check_ack_laws<ack::adaptive>(), all);
    holds(check_ack_laws<ack::adaptive>({.shortest = 1_s, .quick_segments = 0}), all);
    holds(check_ack_laws<ack::immediate>(), {second_segment, out_of_order, filled_hole, duplicate, changed_mark,
                                             no_silly_window, closed_window_opens, same_state});
}

TEST_CASE("laws: each mutant of an ACK policy breaks the law that is meant for it, and no other", "[testing]")
{
    const base_ack::config slow{.quick_segments = 0};
    is_broken(check_ack_laws<waits_for_ever>(slow), ack_law::half_a_second);
    is_broken(check_ack_laws<acknowledges_each_third>(slow), ack_law::second_segment);
    is_broken(check_ack_laws<waits_with<&received_segment::in_order, false>>(slow), ack_law::out_of_order);
    is_broken(check_ack_laws<waits_with<&received_segment::fills_hole, true>>(slow), ack_law::filled_hole);
    is_broken(check_ack_laws<waits_with<&received_segment::duplicate, true>>(slow), ack_law::duplicate);
    is_broken(check_ack_laws<waits_with<&received_segment::ce_changed, true>>(slow), ack_law::changed_mark);
    is_broken(check_ack_laws<reports_each_octet>(slow), ack_law::no_silly_window);
    is_broken(check_ack_laws<reports_nothing>(slow), ack_law::closed_window_opens);
    is_broken(check_ack_laws<acknowledges_by_mood>(slow), ack_law::same_state);
}

TEST_CASE("laws: the recovery rates keep all of them", "[testing]")
{
    using namespace recovery_rate_law;
    const auto all = {never_silent, conserves, bounded, no_overflow, same_state};
    holds(check_recovery_rate_laws<prr>(), all);
    holds(check_recovery_rate_laws<reduction::packet_conservation>(), all);
    // Above ssthresh it sends nothing at all.
    holds(check_recovery_rate_laws<reduction::pass_through>(), {never_silent, bounded, no_overflow, same_state});
}

TEST_CASE("laws: each mutant of a recovery rate breaks the law that is meant for it, and no other", "[testing]")
{
    using namespace recovery_rate_law;
    is_broken(check_recovery_rate_laws<falls_silent>(), never_silent);
    is_broken(check_recovery_rate_laws<forgets_what_it_sent>(), conserves);
    is_broken(check_recovery_rate_laws<fills_the_pipe>(), bounded);
    is_broken(check_recovery_rate_laws<wraps>(), no_overflow);
    is_broken(check_recovery_rate_laws<dices>(), same_state);
}
