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

TEST_CASE("drill: checks of tcp_info, tolerance and comments are read")
{
    const auto made = read_script("# a remark\n--tolerance_usecs=9000\n\n"
                                  "+0 %{ tcpi_state == 1, assert tcpi_rto >= 200000 }% // so\n");
    CHECK(made.tolerance == 9000);
    CHECK_FALSE(made.differs());
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

TEST_CASE("drill: a comment begins outside of strings alone")
{
    const auto made = std::get<call>(only("+0 write(3, \"a # b // c \\\" d\", 4) = 4 // so \"").what);
    CHECK(made.arguments.at(1) == "\"a # b // c \\\" d\"");
    CHECK(complaint("+0 write(3, \"a # b, 4) = 4") == "line 1: a string is not closed");
}

TEST_CASE("drill: numbers that are none are told with their line, whatever they are")
{
    CHECK(complaint("\n99999999999999999999 close(3) = 0").rfind("line 2: '99999999999999999999' is no", 0) == 0);
    CHECK(complaint("1000001 close(3) = 0").rfind("line 1: '1000001' is no number of seconds", 0) == 0);
    CHECK(complaint(std::string(400, '9') + " close(3) = 0").rfind("line 1: '999", 0) == 0);
    CHECK(complaint("1.2.3 close(3) = 0").rfind("line 1: an event begins", 0) == 0);
    CHECK(complaint("+0 close(3) = 12345678901") == "line 1: '12345678901' is no result of a call");
    CHECK(complaint("+0 < S 0:99999999999(1)").rfind("line 1: '99999999999' is no number of 32 bits", 0) == 0);
    CHECK(complaint("+0 < S 0:0(0) win 65536").rfind("line 1: a window", 0) == 0);
    CHECK(complaint("+0 < S 0:0(0) <sack 1:>").rfind("line 1: '' is no number", 0) == 0);
    CHECK(complaint("+0 %{ tcpi_rto == 9999999999999999999 }%").rfind("line 1: a check is", 0) == 0);
    CHECK(complaint("--tolerance_usecs=").rfind("line 1: '' is no number", 0) == 0);
    CHECK(complaint("--tolerance_usecs").rfind("line 1: '' is no number", 0) == 0);
    CHECK(complaint("--net.ipv4.tcp_ecn=x") == "line 1: 'x' is no number of 32 bits");
    CHECK(complaint("--net.ipv6.conf=1").rfind("line 1: 'net.ipv6.conf' is neither", 0) == 0);
    CHECK(complaint("+0 < S 0:0(0) <FO 0g>").rfind("line 1: a cookie is", 0) == 0);
    CHECK(complaint("\n\n+0 " + std::string(200'000, '(')) == "line 3: is longer than 1000 characters");
}

// Every prefix of every line, and every octet of it replaced: an event or a complaint, nothing else.
TEST_CASE("drill: no line is too broken to complain about")
{
    const std::string lines[] = {
        "+0~+.2 < [ce] PUEW. 1:101(100) ack 1 win 9 urg 4 <mss 1,sackOK,TS val 1 ecr 2,nop,wscale 7,FO 0a0b>",
        "1...2 connect(3, {a=1}, \"x\") = -1 ECONNREFUSED (words)", "+0 %{ tcpi_state == 1, assert tcpi_rto >= 2 }%",
        "+0 <2 icmp unreachable frag_needed mtu 1200 [1:1461(1460)]", "--net.ipv4.tcp_ecn=1", "# on kernel: so"};
    for (const std::string& line : lines) {
        CHECK(complaint(line).empty());
        for (std::size_t i = 0; i < line.size(); ++i) {
            for (const char other : std::string{"9\"(<-. =\xff"} + '\0') {
                std::string broken = line;
                broken[i] = other;
                static_cast<void>(complaint(broken));
            }
            static_cast<void>(complaint(line.substr(0, i)));
        }
    }
    SUCCEED();
}

TEST_CASE("drill: ECN marks, urgent pointers, peers, cookies and ICMP errors are read")
{
    const auto marked = std::get<segment>(only("+0 >2 [ect0] PU. 1:2(1) ack 1 win 7 urg 1").what);
    CHECK(marked.peer == 2);
    CHECK(marked.ecn == 2U);
    CHECK(marked.urgent == 1);
    CHECK(std::get<segment>(only("+0 < - 1:1(0)").what).flags.empty());
    CHECK(std::get<segment>(only("+0 < SEWA 0:0(0)").what).flags == "SEWA");
    const auto syn = std::get<segment>(only("+0 < S 0:0(0) <FO 0aff,nop,nop>").what);
    CHECK(syn.options.at(0).second == std::vector<std::uint32_t>{10, 255});
    CHECK(std::get<segment>(only("+0 < S 0:0(0) <FO,nop,nop>").what).options.at(0).second.empty());
    const auto icmp = std::get<icmp_error>(only("+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").what);
    CHECK(icmp.code == 4);
    CHECK(icmp.mtu == 1200);
    CHECK(icmp.seq == 1);
    CHECK(icmp.length == 1460);
    CHECK(complaint("+0 < [ect2] . 1:1(0) ack 1").rfind("line 1: [ect2] is none of", 0) == 0);
    CHECK(complaint("+0 < icmp unreachable nobody [1:1(0)]").rfind("line 1: an ICMP error is", 0) == 0);
    CHECK(complaint("+0 < icmp unreachable host_unknown [1:3(1)]") == "line 1: 1:3 does not hold 1 octets");
}

TEST_CASE("drill: lines for one world alone are read, with the reason")
{
    const auto made = read_script("+0 close(3) = 0\n# on kernel: it waits longer\n+0 close(4) = 0\n"
                                  "# on tcpco\n+0 close(5) = 0\n# on both\n+0 close(6) = 0\n--net.ipv4.tcp_ecn=1\n");
    REQUIRE(made.events.size() == 4);
    CHECK(made.events[0].world.empty());
    CHECK(made.events[1].world == "kernel");
    CHECK(made.events[2].world == "tcpco");
    CHECK(made.events[3].world.empty());
    CHECK(made.differences == std::vector<std::string>{"it waits longer"});
    CHECK(made.settings.at(0) == std::pair<std::string, std::uint32_t>{"tcp_ecn", 1});
    CHECK(complaint("# on kernel") == "line 1: the first '# on kernel' wants a reason: '# on kernel: ...'");
}
