// Proof that the policy concepts carry more than Reno needs: RACK-TLP (RFC 8985), PRR (RFC 9937) and a controller that
// paces and wants delivery rate samples run in one transfer, and each of them is really asked.
#include "simulation/cases.hpp"

#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

using namespace tcpco_test;

namespace {

// What the policies below were told; policies are values, and this is what outlives them.
struct what_happened {
    int rate_samples = 0;
    int congestion_events = 0;
    std::uint64_t highest_rate = 0;
    int recoveries = 0;
    octet_count sent_in_recovery = 0;
    int reorder_timers = 0;
    int tail_loss_probes = 0;
};
what_happened seen;

// A dummy in the shape of a model-based controller: paces at a fixed rate, looks at samples, halves on congestion.
class paced_dummy {
public:
    static constexpr bool wants_rate_samples = true;
    struct config {
        octet_count window = 40 * 1'448;
        std::uint64_t rate = 2'000'000;  // octets per second
    };

    paced_dummy() = default;
    explicit paced_dummy(const config& c) : rate_{c.rate}, cwnd_{c.window} {}

    void on_ack(const ack_info& a)
    {
        if (a.rate.delivered > 0 && a.rate.interval > duration::zero()) {
            ++seen.rate_samples;
            const auto rate = static_cast<std::uint64_t>(a.rate.delivered * 1'000'000 / a.rate.interval.microseconds());
            seen.highest_rate = std::max(seen.highest_rate, rate);
        }
    }
    void on_congestion_event(const congestion_event&)
    {
        ++seen.congestion_events;
        ssthresh_ = cwnd_ = std::max<octet_count>(cwnd_ / 2, 8 * 1'448);
    }
    octet_count cwnd() const { return cwnd_; }
    octet_count ssthresh() const { return ssthresh_; }
    std::uint64_t pacing_rate() const { return rate_; }
    octet_count send_quantum() const { return 2 * 1'448; }

private:
    std::uint64_t rate_ = 0;
    octet_count cwnd_ = 0;
    octet_count ssthresh_ = 1 << 30;
};
static_assert(paces<paced_dummy> && wants_rate_samples_v<paced_dummy> && !regulates_recovery_v<paced_dummy>);

class watched_prr : public reduction::prr {
public:
    using prr::prr;
    void on_enter(const recovery_started& s)
    {
        ++seen.recoveries;
        prr::on_enter(s);
        inside_ = true;
    }
    void on_transmit(octet_count octets)
    {
        seen.sent_in_recovery += inside_ ? octets : 0;
        prr::on_transmit(octets);
    }

private:
    bool inside_ = false;
};

class watched_rack : public tcpco::recovery::rack_tlp {
public:
    using rack_tlp::rack_tlp;
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& timing, Board& board)
    {
        seen.reorder_timers += kind == retransmission_timer::reorder ? 1 : 0;
        seen.tail_loss_probes += kind == retransmission_timer::pto ? 1 : 0;
        return rack_tlp::on_timer(kind, timing, board);
    }
};

struct proof : default_policies {
    using congestion = paced_dummy;
    using recovery = watched_rack;
    using recovery_rate = watched_prr;
};

}  // namespace

TEST_CASE("simulation: RACK, PRR and a paced controller with rate samples run in one transfer",
          "[simulation][RFC8985][RFC9937]")
{
    using sim = simulation<proof>;
    seen = {};
    sim net{sim::config_a(), sim::config_b(), {.delay = duration{10'000'000}}};
    net.skip_arp();
    net.at_a.to_send = pattern(400'000);
    net.record = true;
    int full = 0;
    bool tail_lost = false;
    net.link.drops = [&](std::size_t, int from, const octets& data) {
        if (from == 0 && data.size() > 1'000) {
            ++full;
            // One in the middle of a flight (RACK marks it by the time of its successors), a run, and one more.
            return full == 40 || (full >= 100 && full < 104) || full == 130;
        }
        // The last, short segment: nothing follows it, so only a tail loss probe can tell.
        return from == 0 && data.size() > 100 && !std::exchange(tail_lost, true);
    };
    net.open();
    CHECK(net.complete(duration{600'000'000'000}) == "");

    SECTION("each policy took part")
    {
        CHECK(seen.rate_samples > 50);
        // The samples see the rate at which the controller paces, 2 MB/s, and never much more.
        CHECK(seen.highest_rate > 1'500'000);
        CHECK(seen.highest_rate < 3'000'000);
        CHECK(seen.congestion_events >= 2);
        CHECK(seen.recoveries >= 2);
        CHECK(seen.sent_in_recovery > 0);
        CHECK(tail_lost);
        CHECK(seen.tail_loss_probes >= 1);
        CHECK(net.a.counters().retransmissions >= 6);
    }
    SECTION("RACK and the probe repair all of it: no retransmission timeout")
    {
        CHECK(net.a.counters().timeouts == 0);
    }
    SECTION("the controller's pace holds: no burst, and no more than rate x time")
    {
        std::int64_t octets = 0;
        time_point first{};
        std::size_t burst = 0;
        std::size_t longest_burst = 0;
        time_point last{};
        for (const wire_frame& f : net.trace) {
            if (f.from != 0 || f.data.size() < 1'000) {
                continue;
            }
            first = octets == 0 ? f.at : first;
            octets += static_cast<std::int64_t>(f.data.size()) - 66;
            burst = f.at == last ? burst + 1 : 1;
            longest_burst = std::max(longest_burst, burst);
            last = f.at;
        }
        CHECK(longest_burst <= 4);  // the quantum of two, and what recovery may send past the pacer
        CHECK(octets <= 2'000'000 * (last - first).milliseconds() / 1'000 + 8 * 1'448);
    }
}
