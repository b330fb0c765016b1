#include "tcpco/policy/time_wait/two_msl.hpp"

#include "catch.hpp"
#include "tcpco/policy/time_wait/none.hpp"
#include "tcpco/policy/time_wait/recycling.hpp"

using namespace tcpco;
using answer = time_wait_answer;

namespace {

constexpr time_wait::two_msl policy_default{};

constexpr time_wait_syn syn(std::uint32_t seq, std::uint32_t rcv_nxt) { return {.seq = {seq}, .rcv_nxt = {rcv_nxt}}; }

constexpr time_wait_syn stamped(std::uint32_t tsval, std::uint32_t ts_recent, std::uint32_t seq = 0)
{
    return {.seq = {seq}, .rcv_nxt = {1'000}, .had_timestamps = true, .has_timestamps = true, .tsval = tsval, .ts_recent = ts_recent};
}

static_assert(policy_default.two_msl(1_s) == 60_s);
static_assert(time_wait::two_msl{time_wait::rfc9293_config}.two_msl(1_s) == 240_s);

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

TEST_CASE("TIME-WAIT: a SYN with timestamps after a connection without them is a new one", "[policy][RFC6191-2d]")
{
    time_wait_syn s = syn(500, 1'002);
    s.has_timestamps = true;
    CHECK(policy_default.accepts_syn(s) == answer::accept);
}

TEST_CASE("TIME-WAIT: a SYN without timestamps after a connection with them needs a newer number",
          "[policy][RFC6191-2c]")
{
    time_wait_syn s = syn(1'001, 1'002);
    s.had_timestamps = true;
    s.ts_recent = 0x80000001;  // must not be compared with the tsval that is not there
    CHECK(policy_default.accepts_syn(s) == answer::drop);
    s.seq = {1'002};
    CHECK(policy_default.accepts_syn(s) == answer::accept);
    s.ts_recent = 1;
    CHECK(policy_default.accepts_syn(s) == answer::accept);
}

TEST_CASE("TIME-WAIT, recycling: 3.5 RTO within its limits, SYNs as everywhere", "[policy]")
{
    const time_wait::recycling recycling;
    CHECK(recycling.two_msl(200_ms) == 700_ms);
    CHECK(recycling.two_msl(120_s) == 60_s);
    CHECK(time_wait::recycling{{.minimum = 2_s}}.two_msl(200_ms) == 2_s);
    CHECK_FALSE(recycling.honours_rst());
    CHECK(recycling.accepts_syn(syn(1'002, 1'002)) == answer::accept);
    CHECK(recycling.accepts_syn(syn(1'001, 1'002)) == answer::drop);
    const time_wait::recycling other{{.accept_syn = false, .honour_rst = true}};
    CHECK(other.accepts_syn(syn(1'002, 1'002)) == answer::ack);
    CHECK(other.honours_rst());
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
    CHECK(none.two_msl(1_s) == 0_s);
    CHECK(none.honours_rst());
    CHECK(none.accepts_syn(syn(1, 1'002)) == answer::accept);
}
