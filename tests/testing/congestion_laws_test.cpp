#include "tcpco/testing/congestion_laws.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"
#include "tcpco/policy/congestion/hystart_plus_plus.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/congestion/prague.hpp"
#include "tcpco/policy/congestion/reno.hpp"
#include "tcpco/policy/congestion/validated.hpp"
#include "tcpco/policy/congestion/vegas.hpp"

using namespace tcpco;
using namespace tcpco::testing;
using namespace tcpco::congestion;

namespace {

const std::vector<law> all_laws{
    congestion_law::one_segment,       congestion_law::initial_window,   congestion_law::limited_growth,
    congestion_law::earned_growth,     congestion_law::only_acks_grow,   congestion_law::no_growth_in_recovery,
    congestion_law::loss_reduces,      congestion_law::loss_share,       congestion_law::measured_cut,
    congestion_law::lost_again,        congestion_law::one_reduction,    congestion_law::mark_never_raises,
    congestion_law::heeds_marks,       congestion_law::loss_window,      congestion_law::timeout_ssthresh,
    congestion_law::repeated_timeout,  congestion_law::undo_window,      congestion_law::undo_ssthresh,
    congestion_law::idle_restart,      congestion_law::smss_change,      congestion_law::no_overflow,
    congestion_law::large_growth,      congestion_law::large_stays,      congestion_law::slow_avoidance,
    congestion_law::same_state,
};

// A controller of a few lines that keeps all laws; each mutant below breaks one of them.
class plain {
public:
    struct config {};
    plain() = default;
    explicit plain(const config&) {}

    void on_connection_established(const connection_established& e)
    {
        window = inherited_cwnd(e);
        threshold = inherited_ssthresh(e);
    }
    void on_ack(const ack_info& a)
    {
        if (!a.cwnd_limited || a.in_recovery || a.acked == 0 || window >= largest_cwnd) {
            return;
        }
        if (window < threshold) {
            window += std::min(a.acked, a.smss);
            return;
        }
        counted += a.acked;  // RFC 3465 2.1
        if (counted >= window) {
            counted -= window;
            window += a.smss;
        }
    }
    void on_congestion_event(const congestion_event& e)
    {
        threshold = std::max(std::min(e.in_flight, window) / 2, 2 * e.smss);
        window = std::min(window, threshold);
        counted = 0;
    }
    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        counted = 0;
        threshold = e.first ? std::max(e.in_flight / 2, 2 * e.smss) : threshold;
        window = e.smss;
    }
    void on_idle_restart(time_point, octet_count restart_window) { window = std::min(window, restart_window); }
    void on_smss_change(octet_count old_smss, octet_count smss) { window = rescaled_cwnd(window, old_smss, smss); }
    octet_count cwnd() const { return window; }
    octet_count ssthresh() const { return threshold; }

    octet_count window = 536;
    octet_count threshold = no_threshold;
    octet_count counted = 0;  // acknowledged towards the next segment
};

// Slow start for ever.
struct forgets_avoidance : plain {
    using plain::plain;
    void on_ack(const ack_info& a)
    {
        threshold = std::max(threshold, window + a.smss);
        plain::on_ack(a);
    }
    octet_count ssthresh() const { return std::min(threshold, window); }
};

// A segment for each ACK, whatever it acknowledges.
struct counts_acks : plain {
    using plain::plain;
    void on_ack(const ack_info& a)
    {
        ack_info whole = a;
        whole.acked = a.acked > 0 ? a.smss : 0;
        plain::on_ack(whole);
    }
};

struct thinks_small : plain {  // a window of half a segment
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        plain::on_congestion_event(e);
        window = std::min(window, std::max<octet_count>(e.in_flight / 2, 1));
    }
};
struct begins_large : plain {
    using plain::plain;
    void on_connection_established(const connection_established& e)
    {
        plain::on_connection_established(e);
        window += 100 * e.smss;
    }
};
struct grows_when_idle : plain {
    using plain::plain;
    void on_ack(ack_info a)
    {
        a.cwnd_limited = true;
        plain::on_ack(a);
    }
};
struct counts_twice : plain {
    using plain::plain;
    void on_ack(const ack_info& a)
    {
        plain::on_ack(a);
        plain::on_ack(a);
    }
};
struct grows_in_recovery : plain {
    using plain::plain;
    void on_ack(ack_info a)
    {
        a.in_recovery = false;
        plain::on_ack(a);
    }
};
struct ignores_loss : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        if (e.cause != congestion_cause::loss && e.cause != congestion_cause::tlp_repaired) {
            plain::on_congestion_event(e);
        }
    }
};
struct ignores_second_loss : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        if (e.cause != congestion_cause::lost_retransmission) {
            plain::on_congestion_event(e);
        }
    }
};
struct reduces_twice : plain {  // for the event, and for each packet in it
    using plain::plain;
    void on_packet_lost(const packet_lost&) { window = std::max(window / 2, std::min<octet_count>(window, 20'000)); }
};
struct glad_of_marks : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        if (e.cause == congestion_cause::ecn_echo && e.in_flight < window / 2) {
            window += e.smss;
        } else {
            plain::on_congestion_event(e);
        }
    }
};
struct ignores_marks : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        if (e.cause != congestion_cause::ecn_echo) {
            plain::on_congestion_event(e);
        }
    }
};
template <octet_count Percent>
struct keeps : plain {  // so much of what was in flight after a loss; and an octet less
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        const octet_count from = e.cause == congestion_cause::ecn_echo ? window / 2 : std::min(e.in_flight, window);
        threshold = std::max(mul_div(from, Percent, 100) - 1, 2 * e.smss);
        window = std::min(window, threshold);
    }
};
struct forgets_the_flight : plain {  // half of a window that nobody used
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        threshold = std::max(window / 2, 2 * e.smss);
        window = std::min(window, threshold);
    }
};
struct counts_what_was_sacked : plain {  // half of a flight that is twice the window is no reduction
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        const bool again = e.cause == congestion_cause::lost_retransmission;
        threshold = std::max((again ? std::min(e.in_flight, window) : e.in_flight) / 2, 2 * e.smss);
        window = std::min(window, threshold);
    }
};
struct reduces_by_32_bits : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        const auto carried = static_cast<std::uint32_t>(std::min(e.in_flight, window));
        threshold = std::max<octet_count>(carried * 80U / 100U, 2 * e.smss);
        window = std::min(window, threshold);
    }
};
struct times_out_by_32_bits : plain {
    using plain::plain;
    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        plain::on_retransmission_timeout(e);
        threshold = e.first ? std::max<octet_count>(static_cast<std::int32_t>(e.in_flight) / 2, 2 * e.smss) : threshold;
    }
};
struct answers_marks_by_32_bits : plain {
    using plain::plain;
    void on_congestion_event(const congestion_event& e)
    {
        if (e.cause != congestion_cause::ecn_echo) {
            plain::on_congestion_event(e);
            return;
        }
        threshold = std::max<octet_count>(static_cast<std::uint32_t>(window) * 3U / 4U, 2 * e.smss);
        window = std::min(window, threshold);
    }
};
struct grows_by_32_bits : plain {
    using plain::plain;
    std::uint32_t counted = 0;
    void on_ack(const ack_info& a)
    {
        if (window < threshold || a.acked == 0 || !a.cwnd_limited || a.in_recovery || window >= largest_cwnd) {
            plain::on_ack(a);
            return;
        }
        const auto smss = static_cast<std::uint32_t>(a.smss);
        counted += static_cast<std::uint32_t>(a.acked) * smss;
        if (counted / smss >= static_cast<std::uint32_t>(window)) {
            counted = 0;
            window += a.smss;
        }
    }
};
struct grows_when_sending : plain {
    using plain::plain;
    void on_packet_sent(const packet_sent& e) { window += window < largest_cwnd ? e.octets : 0; }
};
struct grows_when_losing : plain {
    using plain::plain;
    void on_packet_lost(const packet_lost& e) { window += window < largest_cwnd ? e.octets : 0; }
};
struct forgives_itself : plain {  // takes the reduction back when recovery is over
    using plain::plain;
    octet_count was = 0;
    void on_congestion_event(const congestion_event& e)
    {
        was = window;
        plain::on_congestion_event(e);
    }
    void on_recovery_exit() { window = std::max(window, was); }
};
struct grows_at_duplicates : plain {
    using plain::plain;
    void on_ack(ack_info a)
    {
        a.acked = a.delivered;
        plain::on_ack(a);
    }
};
struct never_backs_off : plain {
    using plain::plain;
    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        const octet_count before = window;
        plain::on_retransmission_timeout(e);
        window = before;
    }
};
struct unaware_of_timeouts : plain {  // hears of congestion in their place, which is not enough
    using plain::plain;
    void on_retransmission_timeout(int) = delete;
};
struct forgets_ssthresh : plain {
    using plain::plain;
    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        threshold = e.first ? no_threshold : threshold;
        window = e.smss;
    }
};
struct sinks : plain {  // an RTO halves ssthresh again at each back-off
    using plain::plain;
    void on_retransmission_timeout(const retransmission_timeout& e)
    {
        plain::on_retransmission_timeout(e);
        threshold = e.first ? threshold : threshold / 2;
    }
};
struct keeps_window_reduced : plain {
    using plain::plain;
    void on_spurious(spurious_cause, const keeps_window_reduced& prior) { threshold = prior.threshold; }
};
struct keeps_ssthresh_reduced : plain {
    using plain::plain;
    void on_spurious(spurious_cause, const keeps_ssthresh_reduced& prior)
    {
        window = std::max(window, prior.window);
        threshold = std::min(threshold, window);
    }
};
struct restarts_at_full_speed : plain {
    using plain::plain;
    void on_idle_restart(time_point, octet_count) {}
};
struct counts_segments : plain {  // the same number of segments, also when they became larger
    using plain::plain;
    void on_smss_change(octet_count old_smss, octet_count smss)
    {
        window = std::clamp(mul_div(window, smss, old_smss), smss, largest_cwnd);
    }
};
struct paces_by_an_overflow : plain {
    using plain::plain;
    std::uint64_t pacing_rate() const { return static_cast<std::uint64_t>(window) << 31U; }
};
struct wraps : plain {
    using plain::plain;
    void on_ack(const ack_info& a)
    {
        plain::on_ack(a);
        window = std::max<octet_count>(static_cast<std::uint32_t>(window), a.smss);
    }
};
struct flips_a_coin : plain {
    using plain::plain;
    void on_ack(const ack_info& a)
    {
        static unsigned toss = 0;
        if (++toss % 3 != 0) {
            plain::on_ack(a);
        }
    }
};

template <class C>
void passes(const typename C::config& config = {}, std::vector<law> except = {})
{
    law_options options{.except = except};
    const law_report report = check_congestion_laws<C>(config, options);
    INFO(report.text());
    CHECK(report.holds());
    for (const law& l : all_laws) {
        INFO(l.name);
        const bool of_windows = std::find(window_laws.begin(), window_laws.end(), l) != window_laws.end();
        const bool asked = std::find(except.begin(), except.end(), l) == except.end() &&
                           !(of_windows && regulates_recovery_v<C>) &&
                           (l != congestion_law::idle_restart || told_of_idle_restart<C>);
        CHECK((!asked || report.checked(l) > (l == congestion_law::large_stays ? 20 : 100)));
    }
}

template <class C>
void breaks_only(const law& expected)
{
    const law_report report = check_congestion_laws<C>();
    INFO(report.text());
    REQUIRE(report.broken().size() == 1);
    CHECK(report.broken().front().which.name == expected.name);
    CHECK(report.broken().front().events.size() <= 10);  // short enough to be read
}

const std::vector<law> of_a_fixed_window = [] {
    std::vector<law> some{window_laws.begin(), window_laws.end()};
    for (const law& l : {congestion_law::initial_window, congestion_law::loss_window, congestion_law::idle_restart}) {
        some.push_back(l);
    }
    return some;
}();

}  // namespace

TEST_CASE("laws: Reno keeps all of them", "[testing][RFC5681-4.3d][RFC5681-3.1n][RFC5681-3.1o][RFC5681-3.1p]")
{
    passes<reno>();
    passes<reno>({.slow_start_segments = 2});
    passes<plain>();
}

TEST_CASE("laws: CUBIC keeps all of them, with each of its settings", "[testing]")
{
    passes<cubic>();
    passes<cubic>({.beta_milli = 500, .fast_convergence = false});
    passes<cubic>({.c_milli = 4'000});
}

TEST_CASE("laws: DCTCP, Prague, Vegas and HyStart++ keep all of them", "[testing]")
{
    passes<dctcp>();
    passes<prague>();
    passes<vegas>();
    passes<hystart_plus_plus<reno>>();
    passes<hystart_plus_plus<cubic>>();
}

// Of a window that is not validated half of what was carried is left: see judge_reduction.
TEST_CASE("laws: congestion window validation keeps all of them, whatever it is around", "[testing][RFC7661-4.4a]")
{
    passes<validated<reno>>();
    passes<validated<cubic>>();
    passes<validated<hystart_plus_plus<cubic>>>({.period = duration{1'000'000'000}});
    passes<validated<dctcp>>();
    passes<validated<prague>>();
}

TEST_CASE("laws: BBR keeps those of a controller that steers by a model", "[testing]") { passes<bbr>(); }

TEST_CASE("laws: a fixed window keeps what it can", "[testing]")
{
    passes<fixed_window>({}, of_a_fixed_window);
    passes<paced>({}, of_a_fixed_window);
}

TEST_CASE("laws: a controller chosen at run time keeps what the chosen one keeps", "[testing]")
{
    using any = any_congestion<reno, cubic, dctcp, vegas, hystart_plus_plus<reno>, bbr>;
    for (std::size_t i = 0; i + 1 < any::count; ++i) {
        passes<any>({.index = i});
    }
    std::vector<law> except{window_laws.begin(), window_laws.end()};
    except.push_back(congestion_law::idle_restart);  // BBR is not told, the variant is
    passes<any>({.index = any::count - 1}, except);
}

TEST_CASE("laws: each mutant of a congestion controller breaks the law that is meant for it, and no other",
          "[testing][unsanitized]")
{
    breaks_only<thinks_small>(congestion_law::one_segment);
    breaks_only<begins_large>(congestion_law::initial_window);
    breaks_only<grows_when_idle>(congestion_law::limited_growth);
    breaks_only<counts_twice>(congestion_law::earned_growth);
    breaks_only<grows_in_recovery>(congestion_law::no_growth_in_recovery);
    breaks_only<ignores_loss>(congestion_law::loss_reduces);
    breaks_only<ignores_second_loss>(congestion_law::lost_again);
    breaks_only<reduces_twice>(congestion_law::one_reduction);
    breaks_only<glad_of_marks>(congestion_law::mark_never_raises);
    breaks_only<ignores_marks>(congestion_law::heeds_marks);
    breaks_only<keeps<100>>(congestion_law::loss_share);
    breaks_only<keeps<86>>(congestion_law::loss_share);
    breaks_only<keeps<20>>(congestion_law::measured_cut);
    breaks_only<reduces_by_32_bits>(congestion_law::measured_cut);
    breaks_only<times_out_by_32_bits>(congestion_law::measured_cut);
    breaks_only<answers_marks_by_32_bits>(congestion_law::measured_cut);
    breaks_only<grows_by_32_bits>(congestion_law::large_growth);
    CHECK(check_congestion_laws<grows_when_sending>().breaks(congestion_law::only_acks_grow));  // and more
    breaks_only<grows_when_losing>(congestion_law::only_acks_grow);
    breaks_only<forgives_itself>(congestion_law::only_acks_grow);
    breaks_only<grows_at_duplicates>(congestion_law::only_acks_grow);
    breaks_only<never_backs_off>(congestion_law::loss_window);
    breaks_only<forgets_ssthresh>(congestion_law::timeout_ssthresh);
    breaks_only<sinks>(congestion_law::repeated_timeout);
    breaks_only<keeps_window_reduced>(congestion_law::undo_window);
    breaks_only<keeps_ssthresh_reduced>(congestion_law::undo_ssthresh);
    breaks_only<restarts_at_full_speed>(congestion_law::idle_restart);
    breaks_only<counts_segments>(congestion_law::smss_change);
    breaks_only<paces_by_an_overflow>(congestion_law::no_overflow);
    breaks_only<wraps>(congestion_law::large_stays);
    CHECK(check_congestion_laws<forgets_avoidance>().breaks(congestion_law::slow_avoidance));
    CHECK(check_congestion_laws<counts_acks>().breaks(congestion_law::earned_growth));
    breaks_only<flips_a_coin>(congestion_law::same_state);
    CHECK(check_congestion_laws<unaware_of_timeouts>().breaks(congestion_law::loss_window));
    // By chance too little is given up, by chance nothing.
    CHECK(check_congestion_laws<forgets_the_flight>().breaks(congestion_law::loss_reduces));
    CHECK(check_congestion_laws<counts_what_was_sacked>().breaks(congestion_law::loss_reduces));
}

TEST_CASE("laws: a broken one is reported with the events that show it and the numbers", "[testing]")
{
    const law_report report = check_congestion_laws<ignores_loss>();
    REQUIRE(report.broken().size() == 1);
    const broken_law& b = report.broken().front();
    CHECK(b.events.back().find("were lost, recovery begins: cwnd ") != std::string::npos);
    CHECK(report.text().find("broken: loss lowers the window and ssthresh (RFC 5681 3.1") == 0);
    CHECK(report.text() == check_congestion_laws<ignores_loss>().text());
    // The seed alone finds it again.
    const law_report again = check_congestion_laws<ignores_loss>({}, {.seed = b.seed, .scripts = 1});
    CHECK(again.breaks(congestion_law::loss_reduces));
    const law_options excused{.except = {congestion_law::loss_reduces}};
    CHECK(check_congestion_laws<ignores_loss>({}, excused).holds());
}
