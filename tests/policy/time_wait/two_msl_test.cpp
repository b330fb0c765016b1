#include "tcpco/policy/time_wait/two_msl.hpp"

#include "catch.hpp"
#include "tcpco/policy/time_wait/none.hpp"

using namespace tcpco;
using answer = time_wait_answer;

namespace {

constexpr time_wait::two_msl policy_default{};

constexpr time_wait_syn syn(std::uint32_t seq, std::uint32_t rcv_nxt) { return {.seq = {seq}, .rcv_nxt = {rcv_nxt}}; }

constexpr time_wait_syn stamped(std::uint32_t tsval, std::uint32_t ts_recent, std::uint32_t seq = 0)
{
    return {.seq = {seq}, .rcv_nxt = {1'000}, .has_timestamps = true, .tsval = tsval, .ts_recent = ts_recent};
}

static_assert(policy_default.two_msl() == 60_s);
static_assert(time_wait::two_msl{{.msl = 120_s}}.two_msl() == 240_s);  // RFC 9293's own figure

}  // namespace

TEST_CASE("TIME-WAIT: a SYN beyond the peer's FIN reopens, an older one does not", "[policy][MAY-2][RFC6191-2e]")
{
    CHECK(policy_default.accepts_syn(syn(200'000'000, 1'002)) == answer::accept);
    CHECK(policy_default.accepts_syn(syn(1'002, 1'002)) == answer::accept);
    CHECK(policy_default.accepts_syn(syn(1'001, 1'002)) == answer::drop);
    CHECK(policy_default.accepts_syn(syn(5, 0xFFFFFFF0)) == answer::accept);
    CHECK(policy_default.accepts_syn(syn(0xFFFFFFF0, 5)) == answer::drop);
}

TEST_CASE("TIME-WAIT: timestamps decide where both connections have them", "[policy][RFC6191-2a][RFC6191-2b]")
{
    CHECK(policy_default.accepts_syn(stamped(101, 100, 500)) == answer::accept);
    CHECK(policy_default.accepts_syn(stamped(99, 100, 5'000)) == answer::drop);
    CHECK(policy_default.accepts_syn(stamped(100, 100, 5'000)) == answer::accept);
    CHECK(policy_default.accepts_syn(stamped(100, 100, 500)) == answer::drop);
    CHECK(policy_default.accepts_syn(stamped(1, 0xFFFFFFFF, 500)) == answer::accept);
}

TEST_CASE("TIME-WAIT: an RST is ignored, and SYNs too where so configured", "[policy][RFC1337-3a]")
{
    CHECK_FALSE(policy_default.honours_rst());
    const time_wait::two_msl other{{.accept_syn = false, .honour_rst = true}};
    CHECK(other.honours_rst());
    CHECK(other.accepts_syn(syn(200'000'000, 1'002)) == answer::ack);
}

TEST_CASE("without TIME-WAIT everything is accepted at once", "[policy]")
{
    const time_wait::none none;
    CHECK(none.two_msl() == 0_s);
    CHECK(none.honours_rst());
    CHECK(none.accepts_syn(syn(1, 1'002)) == answer::accept);
}
