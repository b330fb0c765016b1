#include "drill/notation.hpp"

#include "catch.hpp"

using namespace tcpco_test::drill;

namespace {

event only(const std::string& text) { return read_script(text).events.at(0); }

std::string complaint(const std::string& text)
{
    try {
        read_script(text);
    } catch (const script_error& error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST_CASE("drill: a SYN with all its options is read")
{
    const auto it = only("+0 < S. 0:0(0) ack 1 win 29200 <mss 1460,sackOK,TS val 100 ecr 7,nop,wscale 9>");
    const auto& seg = std::get<segment>(it.what);
    CHECK(seg.inbound);
    CHECK(seg.flags == "S.");
    CHECK(seg.ack == 1U);
    CHECK(seg.window == 29200U);
    REQUIRE(seg.options.size() == 5);
    CHECK(seg.options[2].first == "TS");
    CHECK(seg.options[2].second == std::vector<std::uint32_t>{100, 7});
    CHECK(seg.options[4].second == std::vector<std::uint32_t>{9});
}

TEST_CASE("drill: SACK blocks, absent options and options of no interest are told apart")
{
    const auto sack = std::get<segment>(only("* > . 1:1(0) ack 1 <nop,nop,sack 11:21 31:41>").what);
    CHECK(sack.options.at(2).second == std::vector<std::uint32_t>{11, 21, 31, 41});
    CHECK_FALSE(sack.any_options);
    CHECK(std::get<segment>(only("* > . 1:1(0) ack 1 <...>").what).any_options);
    CHECK_FALSE(std::get<segment>(only("* > . 1:1(0) ack 1 <>").what).any_options);
}

TEST_CASE("drill: times are absolute, relative, ranges or any")
{
    CHECK(only("0.1 close(3) = 0").due.how == when::kind::absolute);
    CHECK(only("0.1 close(3) = 0").due.at == 100000);
    CHECK(only("+.25 close(3) = 0").due.how == when::kind::relative);
    CHECK(only("+.25 close(3) = 0").due.at == 250000);
    CHECK(only("+0~+.2 > . 1:1(0) ack 1").due.until == 200000);
    CHECK(only("* > . 1:1(0) ack 1").due.how == when::kind::whenever);
}

TEST_CASE("drill: a call has arguments, a result, an errno and the time until which it blocks")
{
    const auto made = std::get<call>(only("+0...0.2 connect(3, {a, b}, f(1,2)) = -1 ECONNREFUSED (Connection refused)").what);
    CHECK(made.name == "connect");
    CHECK(made.arguments == std::vector<std::string>{"3", "{a, b}", "f(1,2)"});
    CHECK(made.result == "-1");
    CHECK(made.error == "ECONNREFUSED");
    CHECK(made.blocks_until == 200000);
    CHECK(std::get<call>(only("+0 close(3) = 0").what).error.empty());
    CHECK(std::get<call>(only("+0 write(3, \"a,(b\", 4) = 4").what).arguments.size() == 3);
}

TEST_CASE("drill: checks of tcp_info, tolerance, comments and stated differences are read")
{
    const auto made = read_script("# differs on kernel: it waits longer\n--tolerance_usecs=9000\n\n"
                                  "+0 %{ tcpi_state == 1, assert tcpi_rto >= 200000 }% // so\n");
    CHECK(made.tolerance == 9000);
    REQUIRE(made.differences.size() == 1);
    CHECK(made.differences[0].first == "kernel");
    CHECK(made.differences[0].second == "it waits longer");
    const auto& terms = std::get<check>(made.events.at(0).what).terms;
    REQUIRE(terms.size() == 2);
    CHECK(terms[1].relation == ">=");
    CHECK(terms[1].value == 200000);
    CHECK(made.events[0].line == 4);
}

TEST_CASE("drill: a mistake is told with its line")
{
    CHECK(complaint("\n+0 < S 0:5(4)") == "line 2: 0:5 does not hold 4 octets");
    CHECK(complaint("+0 < . 1:1(0)") == "line 1: '.' is set, but no ack is given");
    CHECK(complaint("+0 < S 0:0(0) ack 1") == "line 1: an ack is given, but '.' is not set");
    CHECK(complaint("close(3) = 0").rfind("line 1: an event begins with a time", 0) == 0);
    CHECK(complaint("+0 < S 0:0(0) <mss>").rfind("line 1: option 'mss'", 0) == 0);
    CHECK(complaint("+0...1 > . 1:1(0) ack 1").rfind("line 1: only a call can block", 0) == 0);
    CHECK(complaint("+0 < S 4294967296:0(0)") == "line 1: '4294967296' is no number of 32 bits");
    CHECK(complaint("+0 close 3").rfind("line 1: a call is", 0) == 0);
}
