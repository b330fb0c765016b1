#include "tcpco/policy/recovery_rate/prr.hpp"

#include <algorithm>
#include <type_traits>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/recovery_rate/packet_conservation.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"

using namespace tcpco;
using namespace tcpco::reduction;

namespace {

constexpr octet_count smss = 1000;

// One lost segment (or more, `lost` of them) in a window of `window`, the rest of it SACKed one by one; as much is sent
// per ACK as the policy allows. How many segments left after each ACK of the first round trip, the entering one first.
template <class Policy>
struct episode {
    Policy policy{};
    octet_count pipe = 0;
    octet_count sent = 0;
    octet_count most_at_once = 0;
    int silent = 0;  // the longest run of ACKs that let nothing go

    void run(octet_count window, octet_count lost, octet_count ssthresh)
    {
        pipe = (window - lost - 3) * smss;  // three SACKed, `lost` presumed lost
        policy.on_enter({.in_flight = window * smss,
                         .sacked = 3 * smss,
                         .pipe = pipe,
                         .newly_delivered = smss,
                         .ssthresh = ssthresh * smss,
                         .smss = smss});
        transmit(smss);  // the forced retransmission
        int quiet = 0;
        for (octet_count ack = 0; ack < window - lost - 3; ++ack) {
            pipe -= smss;
            policy.on_ack({.delivered = smss, .in_flight = pipe, .smss = smss});
            octet_count out = 0;
            while (policy.cwnd() - pipe >= smss) {
                transmit(smss);
                ++out;
            }
            quiet = out == 0 ? quiet + 1 : 0;
            silent = std::max(silent, quiet);
            most_at_once = std::max(most_at_once, out);
        }
    }

private:
    void transmit(octet_count octets)
    {
        policy.on_transmit(octets);
        pipe += octets;
        sent += octets / smss;
    }
};

}  // namespace

TEST_CASE("PRR: one loss in 20 sends a segment for every second ACK and ends at ssthresh",
          "[policy][RFC9937-6.2f][RFC9937-6.2i][RFC9937-6.3a]")
{
    episode<prr> e;
    e.run(20, 1, 10);
    CHECK(e.pipe == 10 * smss);
    CHECK(e.sent == 10);  // for 16 ACKs, and the forced one
    CHECK(e.most_at_once == 1);
    CHECK(e.silent <= 2);
}

TEST_CASE("PRR: with beta 0.7 seven of ten ACKs let a segment go", "[policy][RFC9937-5b]")
{
    episode<prr> e;
    e.run(100, 1, 70);
    CHECK(e.pipe == 70 * smss);
    CHECK(e.most_at_once == 1);
    CHECK(e.silent <= 2);
}

TEST_CASE("PRR: heavy loss conserves packets and grows on safe ACKs only", "[policy][RFC9937-6.2g]")
{
    episode<prr> e;
    e.run(20, 15, 10);  // the pipe is below ssthresh from the start
    CHECK(e.silent == 0);
    CHECK(e.most_at_once == 1);
    const octet_count before = e.pipe;
    e.policy.on_ack({.delivered = smss, .una_advanced = true, .in_flight = before - smss, .smss = smss});
    CHECK(e.policy.cwnd() == before + smss);
    e.policy.on_transmit(2 * smss);
    e.policy.on_ack(
        {.delivered = smss, .newly_lost = smss, .una_advanced = true, .in_flight = before - smss, .smss = smss});
    CHECK(e.policy.cwnd() == before);
}

TEST_CASE("PRR: the pipe is never filled beyond ssthresh", "[policy][RFC9937-6.2g]")
{
    prr p;
    p.on_enter({.in_flight = 20 * smss, .newly_delivered = smss, .ssthresh = 10 * smss, .smss = smss});
    p.on_transmit(smss);
    p.on_ack({.delivered = 15 * smss, .una_advanced = true, .in_flight = 4 * smss, .smss = smss});
    CHECK(p.cwnd() == 10 * smss);
}

TEST_CASE("PRR: below ssthresh what was delivered and not yet made up for may leave with any later ACK",
          "[policy][RFC9937-6.2g]")
{
    prr p;
    p.on_enter({.in_flight = 20 * smss,
                .sacked = 3 * smss,
                .pipe = 4 * smss,
                .newly_delivered = smss,
                .ssthresh = 10 * smss,
                .smss = smss});
    p.on_transmit(smss);
    p.on_ack({.delivered = 3 * smss, .in_flight = 3 * smss, .smss = smss});  // nothing leaves for it
    p.on_ack({.delivered = smss, .in_flight = 3 * smss, .smss = smss});
    CHECK(p.cwnd() == (3 + 4) * smss);
}

TEST_CASE("PRR: an ACK that delivered nothing changes nothing", "[policy][RFC9937-6.2a]")
{
    prr p;
    p.on_enter({.in_flight = 20 * smss, .newly_delivered = smss, .ssthresh = 10 * smss, .smss = smss});
    p.on_ack({.delivered = 4 * smss, .in_flight = 15 * smss, .smss = smss});
    const octet_count before = p.cwnd();
    p.on_ack({.delivered = 0, .in_flight = 2 * smss, .smss = smss});
    CHECK(p.cwnd() == before);
}

TEST_CASE("PRR: recovery begins with one retransmission whatever the pipe says", "[policy][RFC9937-6.2h]")
{
    prr p;
    p.on_enter({.in_flight = 20 * smss, .ssthresh = 10 * smss, .smss = smss});
    CHECK(p.cwnd() == smss);
    p.on_ack({.delivered = smss, .in_flight = 10 * smss, .smss = smss});
    CHECK(p.cwnd() == 11 * smss);  // at ssthresh already, and still one
    p.on_enter({.in_flight = 4'000'000'000, .ssthresh = 1, .smss = smss});
    p.on_ack({.delivered = 1, .in_flight = 1, .smss = smss});
    CHECK(p.cwnd() >= 1 + smss);
}

TEST_CASE("PRR: RecoverFS is what the ACK that begins recovery and those after it can deliver, and stays that",
          "[policy][RFC9937-6.1a][RFC9937-6.1b]")
{
    prr p;
    p.on_transmit(5 * smss);  // of an episode before
    // 20 in flight, 8 of them SACKed, of which this ACK brought 6: so it counts for 18.
    p.on_enter({.in_flight = 20 * smss,
                .sacked = 8 * smss,
                .pipe = 12 * smss,
                .newly_delivered = 6 * smss,
                .ssthresh = 9 * smss,
                .smss = smss});
    CHECK(p.most_duplicated() == 18 * smss);
    CHECK(p.cwnd() == 12 * smss + 3 * smss);  // 6 * 9 / 18
    p.on_transmit(3 * smss);
    p.on_ack({.delivered = 4 * smss, .una_advanced = true, .in_flight = 11 * smss, .smss = smss});
    CHECK(p.cwnd() == 11 * smss + 2 * smss);  // (6 + 4) * 9 / 18 - 3
    CHECK(p.most_duplicated() == 18 * smss);
    p.on_enter({.in_flight = 10 * smss, .pipe = 9 * smss, .newly_delivered = smss, .ssthresh = 5 * smss, .smss = smss});
    CHECK(p.most_duplicated() == 11 * smss);  // the one that was acknowledged is not in flight any more
    CHECK(p.cwnd() == 9 * smss + 455);        // 5000 / 11: nothing of the episode before
}

TEST_CASE("PRR: where a timer begins recovery one segment may leave", "[policy][RFC9937-6.2h]")
{
    prr p;
    p.on_enter({.in_flight = 20 * smss, .sacked = 3 * smss, .pipe = 16 * smss, .ssthresh = 10 * smss, .smss = smss});
    CHECK(p.cwnd() == 17 * smss);
}

TEST_CASE("PRR: without SACK duplicates deliver no more than there was to be delivered",
          "[policy][RFC9937-6.2b][RFC9937-6.2e]")
{
    prr p;
    p.on_enter({.in_flight = 10 * smss,
                .pipe = 6 * smss,
                .newly_delivered = smss,
                .ssthresh = 5 * smss,
                .smss = smss,
                .by_duplicates = true});
    CHECK(p.most_duplicated() == 10 * smss);
    p.on_transmit(smss);
    p.on_ack({.delivered = 8 * smss, .in_flight = 0, .smss = smss, .by_duplicates = true});
    CHECK(p.cwnd() == 5 * smss);
    p.on_transmit(5 * smss);
    p.on_ack({.delivered = smss, .in_flight = 4 * smss, .smss = smss, .by_duplicates = true});
    CHECK(p.cwnd() == 5 * smss);
    p.on_ack({.delivered = smss, .in_flight = 8 * smss, .smss = smss, .by_duplicates = true});  // the eleventh
    CHECK(p.cwnd() == 5 * smss);
    p.on_ack({.delivered = smss, .in_flight = 8 * smss, .smss = smss});  // with SACK it would count
    CHECK(p.cwnd() == 8 * smss);
}

TEST_CASE("PRR and RACK-TLP come together unless something else is asked for", "[policy][RFC9937-5a]")
{
    CHECK(std::is_same_v<default_policies::recovery_rate, prr>);
    CHECK(std::is_same_v<default_policies::recovery, recovery::with_undo<recovery::rack_tlp>>);
}

TEST_CASE("PRR: windows of 2^32-1 octets do not overflow", "[policy]")
{
    constexpr octet_count most = 4'294'967'295;
    prr p;
    p.on_enter({.in_flight = most, .newly_delivered = smss, .ssthresh = most / 2, .smss = smss});
    p.on_ack({.delivered = most / 2, .in_flight = most / 2 + 1'000, .smss = smss});
    CHECK(p.cwnd() > most / 2);
    CHECK(p.cwnd() <= most);
}

TEST_CASE("pass-through: silence until the pipe is at ssthresh, then one for one", "[policy][RFC6675-5h]")
{
    episode<pass_through> e;
    e.run(20, 1, 10);
    CHECK(e.policy.cwnd() == 10 * smss);
    CHECK(e.pipe == 10 * smss);
    CHECK(e.silent == 7);
}

TEST_CASE("packet conservation: one for one from the start, and no burst after a pause", "[policy]")
{
    episode<packet_conservation> e;
    e.run(20, 1, 10);
    CHECK(e.silent == 0);
    CHECK(e.most_at_once == 1);
    e.policy.on_ack({.delivered = 8 * smss, .in_flight = 9 * smss, .smss = smss});  // nothing was sent for it
    e.policy.on_ack({.delivered = smss, .in_flight = 8 * smss, .smss = smss});
    CHECK(e.policy.cwnd() == 10 * smss);  // ssthresh
}

TEST_CASE("packet conservation: an ACK that brings the pipe below ssthresh does not lift it again", "[policy][RFC9937-6.2g]")
{
    episode<packet_conservation> e;
    e.run(20, 1, 10);
    e.policy.on_ack({.delivered = 8 * smss, .in_flight = 11 * smss, .smss = smss});
    CHECK(e.policy.cwnd() == 19 * smss);  // above it: one for one
    e.policy.on_transmit(8 * smss);
    e.policy.on_ack({.delivered = 12 * smss, .in_flight = 7 * smss, .smss = smss});
    CHECK(e.policy.cwnd() == 10 * smss);
}
