// ECN from end to end: a link that marks in place of dropping, and what it saves.
#include "simulation/cases.hpp"

#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"
#include "tcpco/wire/ipv4.hpp"

using namespace tcpco_test;

namespace {

struct cubic_bundle : default_policies {
    using congestion = tcpco::congestion::cubic;
};
struct dctcp_bundle : default_policies {
    using congestion = tcpco::congestion::dctcp;
};

// Every `period`th frame that may be marked is.
struct marking_link {
    std::size_t period = 40;
    std::size_t seen = 0;
    std::size_t marked = 0;

    void operator()(octets& frame)
    {
        if ((std::to_integer<unsigned>(frame[15]) & 3) == 0 || ++seen % period != 0) {
            return;
        }
        ++marked;
        const std::span ip = std::span{frame}.subspan(14);
        ipv4_header h = parse_ipv4(ip)->header;
        h.ecn = ecn_codepoint::ce;
        write_ipv4(h, ip);
    }
};

template <class Bundle>
void transfer_marked(bool strip)
{
    using sim = simulation<Bundle>;
    auto ca = sim::config_a();
    ca.tcp.ecn = ecn_use::request;
    sim net{ca, sim::config_b(), {.delay = duration{10'000'000}, .per_frame = duration{100'000}}};
    net.skip_arp();
    marking_link link;
    net.link.rewrites = [&](int, octets& frame) {
        if (strip) {  // a middlebox that clears the field
            const std::span ip = std::span{frame}.subspan(14);
            ipv4_header h = parse_ipv4(ip)->header;
            h.ecn = 0;
            write_ipv4(h, ip);
        } else {
            link(frame);
        }
    };
    net.at_a.to_send = pattern(1'000'000);
    net.at_b.to_send = pattern(200'000, 3);
    net.open();
    REQUIRE(net.complete(duration{600'000'000'000}) == "");
    const tcp_info i = net.info_a();
    CHECK(i.retransmissions == 0);
    CHECK(i.ecn);
    CHECK((link.marked > 10) == !strip);
    CHECK(net.info_a().marks_received + net.info_b().marks_received == link.marked);
    CAPTURE(i.cwnd);
    CHECK((i.cwnd < 150'000) == !strip);
}

}  // namespace

TEST_CASE("ECN: marks slow the sender down, and nothing has to be sent twice", "[simulation][RFC3168-6.1.2a]")
{
    const bool strip = GENERATE(false, true);
    transfer_marked<default_policies>(strip);
    transfer_marked<cubic_bundle>(strip);
    transfer_marked<dctcp_bundle>(strip);
}

TEST_CASE("ECN: SYNs with flags that a middlebox drops cost one timeout", "[simulation][RFC3168-6.1.1.1a]")
{
    using sim = simulation<>;
    auto ca = sim::config_a();
    ca.tcp.ecn = ecn_use::request;
    sim net{ca, sim::config_b(), {.delay = duration{10'000'000}}};
    net.skip_arp();
    net.link.drops = [](std::size_t, int, const octets& f) {
        return (std::to_integer<unsigned>(f[14 + 20 + 13]) & 0xC2) == 0xC2;  // SYN, ECE and CWR
    };
    net.at_a.to_send = pattern(10'000);
    net.open();
    CHECK(net.complete(duration{600'000'000'000}) == "");
    CHECK_FALSE(net.info_a().ecn);
    CHECK(net.info_a().timeouts == 1);
}
