// Every script beside this file, in scripts/, played against tcpco in virtual time.
#include "drill/runner.hpp"

#include <string>

#include "drill/script_files.hpp"
#include "drill/tcpco_world.hpp"

#include "catch.hpp"

using namespace tcpco_test::drill;

namespace {

std::string on_tcpco(const std::string& name, const std::string& text)
{
    tcpco_world world;
    return play(world, name, text);
}

constexpr const char* opening = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                                "+0 bind(3, ..., ...) = 0\n"
                                "+0 listen(3, 1) = 0\n"
                                "+0.1 < S 0:0(0) win 65535 <mss 1460>\n";

}  // namespace

TEST_CASE("every script holds on tcpco", "[drill]")
{
    const auto scripts = all_scripts();
    REQUIRE(scripts.size() >= 12);
    for (const script_file& s : scripts) {
        const std::string failure = on_tcpco(s.name, s.text);
        const bool stated = differs_on("tcpco", s.text);
        if (!failure.empty() && !stated) {
            UNSCOPED_INFO(failure);
        }
        CHECK(failure.empty() != stated);
    }
}

TEST_CASE("a script that does not hold is told with its line, what was expected, what came, and the trace", "[drill]")
{
    const std::string wrong = std::string{opening} + "+0 > S. 0:0(0) ack 2 <mss 1460>\n";
    const std::string said = on_tcpco("wrong.pkt", wrong);
    CHECK(said.find("wrong.pkt:5: on tcpco\n") == 0);
    CHECK(said.find("expected: +0 > S. 0:0(0) ack 2 <mss 1460>   at 0.100000\n") != std::string::npos);
    CHECK(said.find("got:      > S. 0:0(0) ack 1 win") != std::string::npos);
    CHECK(said.find("0.100000 < S 0:0(0) win 65535 <mss 1460>\n") != std::string::npos);
}

TEST_CASE("a packet too early, too late, missing or unexpected is a mismatch", "[drill]")
{
    const auto with = [](const std::string& more) { return on_tcpco("x", opening + more); };
    CHECK(with("+0 > S. 0:0(0) ack 1 <mss 1460>\n").empty());
    CHECK(with("").find("expected: the script's end") != std::string::npos);
    CHECK(with("+.5 > S. 0:0(0) ack 1 <mss 1460>\n").find("at 0.100000") != std::string::npos);
    const std::string twice = "+0 > S. 0:0(0) ack 1 <mss 1460>\n+.5 > S. 0:0(0) ack 1 <mss 1460>\n";
    CHECK(with(twice).find("nothing until 0.604000") != std::string::npos);
    CHECK(with("+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 accept(3, ..., ...) = 4\n").find("x:6") == 0);
}
