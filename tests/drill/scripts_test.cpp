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
    return play_in<tcpco_world>(name, text);
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
        if (!failure.empty()) {
            UNSCOPED_INFO(failure);
        }
        CHECK(failure.empty());
    }
}

TEST_CASE("what a script says of the kernel alone does not hold on tcpco, and is explained", "[drill]")
{
    std::ifstream file{std::string{TCPCO_DRILL_SCRIPTS} + "/../../../docs/kernel_differences.md"};
    const std::string explained{std::istreambuf_iterator<char>{file}, {}};
    for (const script_file& s : all_scripts()) {
        INFO(s.name);
        const bool listed = explained.find('`' + s.name.substr(0, s.name.find('.')) + '`') != std::string::npos;
        const bool differs = read_script(s.text).differs();
        CHECK(listed == differs);
        CHECK(play_in<tcpco_world>(s.name, s.text, "kernel").empty() == !differs);
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

TEST_CASE("a call that waits is over when the script says, with the result that it says", "[drill]")
{
    const auto with = [](const std::string& line) {
        return on_tcpco("x", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                             "+0 bind(3, ..., ...) = 0\n"
                             "+0 listen(3, 1) = 0\n" +
                                 line +
                                 "\n0.1 < S 0:0(0) win 65535 <mss 1460>\n"
                                 "+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                                 "0.2 < . 1:1(0) ack 1 win 65535\n"
                                 "0.5 close(4) = 0\n"
                                 "+0 > F. 1:1(0) ack 1\n");
    };
    CHECK(with("0...0.2 accept(3, ..., ...) = 4").empty());
    CHECK(with("0...0.3 accept(3, ..., ...) = 4").find("x:4: on tcpco\n  expected: 0...0.3 accept") == 0);
    CHECK(with("0...0.3 accept(3, ..., ...) = 4").find("the call was over at 0.200000") != std::string::npos);
    CHECK(with("0...0.1 accept(3, ..., ...) = 4").find("x:4: on tcpco\n") == 0);
    CHECK(with("0...0.2 accept(3, ..., ...) = -1 EAGAIN").find("x:4: on tcpco\n") == 0);
    CHECK(with("0...0.2 accept(3, ..., ...) = four").find("x: line 4: a call is") == 0);
}

TEST_CASE("a call that waits for ever ends with its script", "[drill]")
{
    const std::string said = on_tcpco("x", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                                           "+0 bind(3, ..., ...) = 0\n"
                                           "+0 listen(3, 1) = 0\n"
                                           "+0...0.2 accept(3, ..., ...) = 4\n");
    CHECK(said.find("the call still waits at 0.204") != std::string::npos);
}

TEST_CASE("what cannot be played is told with its line", "[drill]")
{
    const auto said = [](const std::string& line) {
        const std::string all = on_tcpco("x", "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n" + line + '\n');
        const auto got = all.find("got:");
        return all.find("x:2: on tcpco") == 0 ? all.substr(got + 10, all.find('\n', got) - got - 10) : all;
    };
    CHECK(said("+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = ...") == "'...' is neither a number nor a known name");
    CHECK(said("+0 setsockopt(3, SOL_SOCKET, SO_LINGERING, [1], 4) = 0") ==
          "'SO_LINGERING' is neither a number nor a known name");
    CHECK(said("+0 read(3, ..., -5) = 0") == "read() wants a size of up to 16 MiB");
    CHECK(said("+0 read(3, ..., 12345678901) = 0") == "'12345678901' is neither a number nor a known name");
    CHECK(said("+0 read(3) = 0") == "read() wants more arguments");
    CHECK(said("+0 ioctl(3) = 0") == "the call ioctl() is not known");
    CHECK(said("+0 < . 1:1(0) ack 1 <nop>").find("options of 1 octets") == 0);
    CHECK(said("--net.ipv4.tcp_unknown=1") == "x: net.ipv4.tcp_unknown = 1 is not known");
}
