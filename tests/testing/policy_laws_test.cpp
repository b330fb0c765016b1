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
#include "tcpco/policy/send_gate/minshall.hpp"
#include "tcpco/policy/send_gate/nagle.hpp"
#include "tcpco/policy/send_gate/off.hpp"
#include "tcpco/testing/ack_laws.hpp"
#include "tcpco/testing/gate_laws.hpp"
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
    void on_forward_progress()
    {
        rfc6298::on_forward_progress();
        on_spurious_timeout();
    }
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

// One that keeps all laws, for the mutants below.
struct own_rto {
    struct config {
        duration minimum{200'000'000};
        duration maximum{120'000'000'000};
    };
    own_rto() = default;
    explicit own_rto(const config& c) : longest{c.maximum} {}

    void on_rtt_sample(const rtt_sample& s)
    {
        const std::int64_t r = std::max<std::int64_t>(s.rtt.ns, 1);
        const std::int64_t n = s.samples_per_round;
        const std::int64_t error = r - smoothed;
        variation = samples == 0 ? r / 2 : variation + ((error < 0 ? -error : error) - variation) / (4 * n);
        smoothed = samples == 0 ? r : std::max<std::int64_t>(smoothed + error / (8 * n), 1);
        samples = std::min(samples + 1, 2);
        timeouts = 0;
    }
    void on_retransmission_timeout() { timeouts = std::min(timeouts + 1, 40); }
    void on_forward_progress() { lost_syn = lost_syn || (samples == 0 && timeouts > 0); }
    void on_spurious_timeout() { timeouts = 0; }
    duration backed_off(std::int64_t ns) const
    {
        duration d{samples == 0 ? (lost_syn ? 3'000'000'000 : 1'000'000'000) : std::max<std::int64_t>(ns, 200'000'000)};
        for (int i = 0; i < timeouts && d < longest; ++i) {
            d = d * 2;
        }
        return std::min(d, longest);
    }
    duration rto() const { return backed_off(smoothed + std::max<std::int64_t>(4 * variation, 1'000'000)); }
    duration srtt() const { return duration{smoothed}; }
    duration rttvar() const { return duration{variation}; }

    duration longest{config{}.maximum};
    std::int64_t smoothed = 0;
    std::int64_t variation = 0;
    int samples = 0;  // 2: or more
    int timeouts = 0;
    bool lost_syn = false;
};
struct doubles_the_first_sample : own_rto {
    using own_rto::own_rto;
    duration rto() const { return samples == 1 ? backed_off(2 * smoothed) : own_rto::rto(); }
};
struct ignores_variation : own_rto {
    using own_rto::own_rto;
    duration rto() const { return samples > 1 ? backed_off(2 * smoothed) : own_rto::rto(); }
};
struct despairs : own_rto {
    using own_rto::own_rto;
    void on_retransmission_timeout() { timeouts = 40; }
};
struct measures_in_32_bits : own_rto {  // microseconds: 71 minutes
    using own_rto::own_rto;
    void on_rtt_sample(rtt_sample s)
    {
        s.rtt = duration{std::int64_t{static_cast<std::uint32_t>(s.rtt.microseconds())} * 1'000};
        own_rto::on_rtt_sample(s);
    }
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
struct waits_for_half_the_buffer : base_ack {
    using base_ack::base_ack;
    bool on_read(const window_growth& w) const { return w.growth >= (w.advertised == 0 ? w.rmss : w.capacity / 2); }
};
struct counts_large_segments : base_ack {  // two of an Ethernet's, whoever sends
    using base_ack::base_ack;
    ack_decision on_segment(const received_segment& s)
    {
        const bool special = !s.in_order || s.fills_hole || s.duplicate || s.ce_changed;
        const bool due = s.unacked_octets >= 2 * std::max<octet_count>(s.rmss, 1'448);
        return special || due ? ack_decision::now() : ack_decision::within(duration{40'000'000});
    }
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
// What a mutant of PRR has to know of the recovery.
struct watching_prr : prr {
    using prr::prr;
    octet_count ssthresh = 0;
    octet_count delivered = 0;
    octet_count sent = 0;
    octet_count in_flight = 0;
    octet_count window = 0;
    void on_enter(const recovery_started& s)
    {
        prr::on_enter(s);
        ssthresh = s.ssthresh;
        in_flight = s.pipe;
        delivered = s.newly_delivered;
        sent = 0;
        window = prr::cwnd();
    }
    void on_ack(const recovery_progress& g)
    {
        prr::on_ack(g);
        in_flight = g.in_flight;
        delivered += g.delivered;
        window = prr::cwnd();
    }
    void on_transmit(octet_count octets)
    {
        prr::on_transmit(octets);
        sent += octets;
    }
    octet_count cwnd() const { return window; }
    bool below() const { return in_flight <= ssthresh; }
};
struct passes_ssthresh : watching_prr {  // whatever was delivered is replaced, also where that is too much
    using watching_prr::watching_prr;
    void on_ack(const recovery_progress& g)
    {
        watching_prr::on_ack(g);
        window = below() ? std::max(window, in_flight + std::max(delivered - sent, g.delivered)) : window;
    }
};
struct bursts : watching_prr {  // once the pipe is below ssthresh it is filled at one blow
    using watching_prr::watching_prr;
    void on_ack(const recovery_progress& g)
    {
        watching_prr::on_ack(g);
        window = below() ? std::max(window, ssthresh) : window;
    }
};
struct lets_the_pipe_drain : watching_prr {
    using watching_prr::watching_prr;
    void on_ack(const recovery_progress& g)
    {
        watching_prr::on_ack(g);
        window = below() && in_flight > 0 ? std::min(window, in_flight) : window;
    }
};
struct counts_in_32_bits : watching_prr {
    using watching_prr::watching_prr;
    octet_count first_window = 1;
    void on_enter(const recovery_started& s)
    {
        watching_prr::on_enter(s);
        first_window = s.in_flight - s.sacked + s.newly_delivered;
    }
    void on_ack(const recovery_progress& g)
    {
        watching_prr::on_ack(g);
        if (!below() && first_window > 0) {
            const std::uint32_t product = static_cast<std::uint32_t>(delivered) * static_cast<std::uint32_t>(ssthresh);
            window = in_flight + std::max<octet_count>(product / first_window - sent, 0);
        }
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

// --- mutants of send gates -----------------------------------------------------------------------------------------

using gate::nagle;

struct waits_for_one_octet_more : nagle {
    using nagle::nagle;
    bool may_send(const small_segment& s) const { return s.octets == s.smss ? s.fin_follows : nagle::may_send(s); }
};
struct holds_the_end : nagle {
    using nagle::nagle;
    bool may_send(small_segment s) const
    {
        s.fin_follows = s.fin_follows && !s.corked;
        return nagle::may_send(s);
    }
};
struct knows_no_cork : nagle {
    using nagle::nagle;
    bool may_send(small_segment s) const
    {
        s.corked = false;
        return nagle::may_send(s);
    }
};
struct knows_no_switch : nagle {
    using nagle::nagle;
    bool may_send(small_segment s) const
    {
        s.no_delay = false;
        return nagle::may_send(s);
    }
};
struct waits_for_nobody : nagle {  // who would acknowledge what was not sent?
    using nagle::nagle;
    bool may_send(small_segment s) const
    {
        s.unacknowledged = std::max<octet_count>(s.unacknowledged, 1);
        return nagle::may_send(s);
    }
};
struct changes_its_mind : nagle {
    using nagle::nagle;
    bool may_send(const small_segment& s) const
    {
        static unsigned mood = 0;
        const bool open = !s.corked && !s.no_delay && !s.fin_follows && s.octets < s.smss && s.unacknowledged > 0;
        return open ? ++mood % 2 == 0 : nagle::may_send(s);
    }
};

}  // namespace

TEST_CASE("laws: the RTO estimators keep all of them", "[testing][RFC6298-5.5a][RFC6298-2.5a][RFC6298-5.8a]")
{
    using namespace rto_law;
    const auto all = {initial,  first_sample, variation, bounds,    above_srtt,  between_samples,
                      backs_off, no_leap,     a_minute,  lost_syn,  karn,      sample_ends_back_off,
                      monotone, settles,      same_state, no_overflow, spurious_never_raises};
    holds(check_rto_laws<rfc6298>(), all);
    holds(check_rto_laws<rfc6298>({.initial = 3_s, .minimum = 1_s, .maximum = 60_s}), all);
    holds(check_rto_laws<rfc6298>({.minimum = 1_ms, .granularity = 100_us}), all);
    holds(check_rto_laws<own_rto>(), all);
    // A number knows nothing of round trips, and takes its back-off back when anything is acknowledged.
    rto_law_options of_a_number{
        {.except = {first_sample, variation, no_overflow, above_srtt, lost_syn, karn, sample_ends_back_off, settles}}};
    of_a_number.maximum = 65'536_s;
    holds(check_rto_laws<rto::fixed>({.back_off = true}, of_a_number), {initial, bounds, backs_off, no_leap, a_minute});
    CHECK(check_rto_laws<rto::fixed>({.back_off = false}, of_a_number).breaks(backs_off));
}

TEST_CASE("laws: each mutant of an RTO estimator breaks the law that is meant for it, and no other",
          "[testing][unsanitized]")
{
    is_broken(check_rto_laws<rfc6298>({.initial = 200_ms}), rto_law::initial);
    is_broken(check_rto_laws<rfc6298>({.maximum = 30_s}), rto_law::a_minute);
    is_broken(check_rto_laws<rfc6298>({.after_lost_syn = 0_s}), rto_law::lost_syn);
    is_broken(check_rto_laws<doubles_the_first_sample>(), rto_law::first_sample);
    is_broken(check_rto_laws<ignores_variation>(), rto_law::variation);
    is_broken(check_rto_laws<despairs>(), rto_law::no_leap);
    is_broken(check_rto_laws<measures_in_32_bits>(), rto_law::no_overflow);
    CHECK(check_rto_laws<never_backs_off>().breaks(rto_law::a_minute));
    is_broken(check_rto_laws<never_backs_off>({}, {{.except = {rto_law::a_minute, rto_law::lost_syn}}}), rto_law::backs_off);
    is_broken(check_rto_laws<forgets_karn>(), rto_law::karn);
    is_broken(check_rto_laws<stays_backed_off>({}, {{.except = {rto_law::lost_syn}}}), rto_law::sample_ends_back_off);
    is_broken(check_rto_laws<knows_no_bound>({}, {{.except = {rto_law::lost_syn}}}), rto_law::bounds);
    is_broken(check_rto_laws<takes_less>({}, {{.except = {rto_law::first_sample, rto_law::variation, rto_law::lost_syn}}}),
              rto_law::above_srtt);
    is_broken(check_rto_laws<believes_double>({}, {{.except = {rto_law::no_overflow}}}), rto_law::between_samples);
    is_broken(check_rto_laws<distrusts_long_samples>({}, {{.except = {rto_law::no_overflow, rto_law::variation}}}),
              rto_law::monotone);
    is_broken(check_rto_laws<waits_three_times_as_long>(), rto_law::settles);
    is_broken(check_rto_laws<blames_itself>(), rto_law::spurious_never_raises);
    is_broken(check_rto_laws<looks_where_it_lives>(), rto_law::same_state);
}

TEST_CASE("laws: the ACK policies keep all of them", "[testing][MUST-40][MUST-39][SHLD-19]")
{
    using namespace ack_law;
    const auto all = {second_segment, half_a_second,   out_of_order,        filled_hole, duplicate,
                      changed_mark,   no_silly_window, closed_window_opens, narrow_window_opens,
                      same_state};
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
    is_broken(check_ack_laws<reports_nothing>(slow, {{.except = {ack_law::narrow_window_opens}}}),
              ack_law::closed_window_opens);
    is_broken(check_ack_laws<waits_for_half_the_buffer>(slow), ack_law::narrow_window_opens);
    is_broken(check_ack_laws<counts_large_segments>(slow), ack_law::second_segment);
    is_broken(check_ack_laws<acknowledges_by_mood>(slow), ack_law::same_state);
}

TEST_CASE("laws: the recovery rates keep all of them, but for what they are made to do", "[testing][RFC9937-6.2f]"
                                                                                         "[RFC9937-6.2g]")
{
    using namespace recovery_rate_law;
    holds(check_recovery_rate_laws<prr>(), {never_silent, conserves, proportional, steady, bounded, no_burst, goes_on,
                                            no_overflow, same_state});
    holds(check_recovery_rate_laws<reduction::packet_conservation>({}, {.except = {proportional}}),
          {never_silent, conserves, steady, bounded, no_burst, goes_on, no_overflow, same_state});
    // Above ssthresh it sends nothing at all.
    holds(check_recovery_rate_laws<reduction::pass_through>({}, {.except = {steady, no_burst}}),
          {never_silent, proportional, bounded, goes_on, no_overflow, same_state});
}

TEST_CASE("laws: each mutant of a recovery rate breaks the law that is meant for it, and no other", "[testing]")
{
    using namespace recovery_rate_law;
    is_broken(check_recovery_rate_laws<falls_silent>({}, {.except = {goes_on}}), never_silent);
    is_broken(check_recovery_rate_laws<forgets_what_it_sent>({}, {.except = {proportional, no_burst}}), conserves);
    is_broken(check_recovery_rate_laws<reduction::packet_conservation>(), proportional);
    is_broken(check_recovery_rate_laws<reduction::pass_through>({}, {.except = {no_burst}}), steady);
    is_broken(check_recovery_rate_laws<counts_in_32_bits>(), steady);
    is_broken(check_recovery_rate_laws<passes_ssthresh>(), bounded);
    is_broken(check_recovery_rate_laws<bursts>(), no_burst);
    is_broken(check_recovery_rate_laws<lets_the_pipe_drain>(), goes_on);
    is_broken(check_recovery_rate_laws<wraps>({}, {.except = {steady, goes_on}}), no_overflow);
    is_broken(check_recovery_rate_laws<dices>(), same_state);
}

TEST_CASE("laws: the send gates keep all of them", "[testing][MUST-17]")
{
    using namespace gate_law;
    const auto all = {full_leaves, end_leaves, cork_holds, no_delay, idle_leaves, same_answer};
    holds(check_gate_laws<gate::nagle>(), all);
    holds(check_gate_laws<gate::minshall>(), all);
    holds(check_gate_laws<gate::off>(), all);
}

TEST_CASE("laws: each mutant of a send gate breaks the law that is meant for it, and no other", "[testing]")
{
    is_broken(check_gate_laws<waits_for_one_octet_more>(), gate_law::full_leaves);
    is_broken(check_gate_laws<holds_the_end>(), gate_law::end_leaves);
    is_broken(check_gate_laws<knows_no_cork>(), gate_law::cork_holds);
    is_broken(check_gate_laws<knows_no_switch>(), gate_law::no_delay);
    is_broken(check_gate_laws<waits_for_nobody>(), gate_law::idle_leaves);
    is_broken(check_gate_laws<changes_its_mind>(), gate_law::same_answer);
}
