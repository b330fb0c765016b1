// Reads scripts in packetdrill's notation into events: what a runner plays, whatever stands behind it. Leaves out:
// shell commands, struct arguments (an argument in braces is kept as text), IPv6 prefixes.
//
//   # on kernel: REASON                what follows is so there alone, up to the next such line ...
//   # on tcpco                         ... and this here alone ...
//   # on both                          ... and from here on both agree again
//   --tolerance_usecs=N                how far a packet may be from its time
//   --net.ipv4.tcp_ecn=1               what an administrator sets before
//   TIME < [ECN] FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [<options>]  a packet to the stack; > is one from it
//   TIME < icmp unreachable CODE [mtu N] [SEQ:END(LEN)]        what a router says about a segment of the stack's
//   TIME NAME(arguments) = RESULT [ERRNO (words)]              a user call; TIME...END when it blocks until END
//   TIME %{ tcpi_state == 1, tcpi_rto > 0 }%                   what tcp_info shall say
// TIME is 0.1 (since the start), +.1 (since the event before), +0~+.2 (within) or * (whenever). ECN is [noecn], [ect0],
// [ect1] or [ce]. A second peer, beyond packetdrill: <2 and >2. The option FO has its cookie in hexadecimal digits,
// none to ask for one, or * for whichever it is: from the stack that one is kept, to the stack it is that one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace tcpco_test::drill {

// What a script says wrong, with its line.
struct script_error : std::runtime_error {
    script_error(int at, const std::string& why) : std::runtime_error{"line " + std::to_string(at) + ": " + why}, line{at} {}
    int line;
};

// When an event is due, in microseconds; `until` is the end of a range.
struct when {
    enum class kind : std::uint8_t { absolute, relative, whenever };
    kind how = kind::relative;
    std::int64_t at = 0;
    std::int64_t until = 0;
};

// A TCP segment; sequence numbers count from each side's first. An option is its name and numbers: {"TS", {100, 0}}.
struct segment {
    bool inbound = false;
    unsigned peer = 1;
    std::optional<unsigned> ecn; // the IP header's two bits; to the stack: 0 where there are none
    std::string flags;
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
    std::optional<std::uint32_t> ack;
    std::optional<std::uint32_t> window;
    std::uint32_t urgent = 0; // the pointer; not compared without U
    std::vector<std::pair<std::string, std::vector<std::uint32_t>>> options;
    bool any_options = false; // no <...> at all, or <...> itself: not looked at
};

// A destination-unreachable message that quotes a segment which the stack sent.
struct icmp_error {
    unsigned peer = 1;
    std::uint8_t code = 0;
    std::uint16_t mtu = 0;
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
};

struct call {
    std::string name;
    std::vector<std::string> arguments;
    std::string result;                     // a number, or "..." for any
    std::string error;                      // EAGAIN and so on, or empty
    std::optional<std::int64_t> blocks_until; // microseconds, measured as the event's time
};

struct check {
    struct term {
        std::string name, relation;
        std::int64_t value = 0;
    };
    std::vector<term> terms;
};

struct event {
    int line = 0;
    when due;
    std::variant<segment, call, check, icmp_error> what;
    std::string world; // where alone it happens; empty: everywhere
};

struct script {
    std::int64_t tolerance = 4000; // microseconds; packetdrill's own default
    std::vector<std::string> differences; // the reasons
    std::vector<std::pair<std::string, std::uint32_t>> settings; // {"tcp_ecn", 1}
    std::vector<event> events;

    bool differs() const { return !differences.empty(); }
};

// What the cookie of a Fast Open option says that may be any.
inline constexpr std::uint32_t any_cookie = UINT32_MAX;

// A longer line would be deep recursion for <regex>.
inline constexpr std::size_t longest_line = 1'000;

inline std::string trimmed(const std::string& text)
{
    const auto first = text.find_first_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Without its comment, which begins where no string is open.
inline std::string without_comment(int line, const std::string& text)
{
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[i] == '#' || text.compare(i, 2, "//") == 0)) {
            return trimmed(text.substr(0, i));
        }
    }
    if (quoted) {
        throw script_error{line, "a string is not closed"};
    }
    return trimmed(text);
}

// Splits at commas which stand in no bracket and no string.
inline std::vector<std::string> split(const std::string& text)
{
    std::vector<std::string> parts;
    std::string part;
    int depth = 0;
    bool quoted = false, escaped = false;
    for (const char letter : text) {
        quoted = quoted != (letter == '"' && !escaped);
        escaped = quoted && letter == '\\' && !escaped;
        depth += !quoted && (letter == '(' || letter == '[' || letter == '{') ? 1 : 0;
        depth -= !quoted && (letter == ')' || letter == ']' || letter == '}') ? 1 : 0;
        if (letter == ',' && depth == 0 && !quoted) {
            parts.push_back(trimmed(part));
            part.clear();
        } else {
            part += letter;
        }
    }
    if (!trimmed(part).empty() || !parts.empty()) {
        parts.push_back(trimmed(part));
    }
    return parts;
}

inline std::uint32_t number(int line, const std::string& text)
{
    if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string::npos ||
        std::stoull(text) > UINT32_MAX) {
        throw script_error{line, "'" + text + "' is no number of 32 bits"};
    }
    return static_cast<std::uint32_t>(std::stoull(text));
}

// "12.25"; days at the most, so that sums of them stay far from overflow.
inline std::int64_t microseconds(int line, const std::string& seconds)
{
    const bool digits = seconds.find_first_of("0123456789") != std::string::npos &&
                        seconds.find_first_not_of("0123456789.") == std::string::npos;
    if (!digits || seconds.size() > 16 || std::count(seconds.begin(), seconds.end(), '.') > 1 ||
        std::stod(seconds) > 1e6) {
        throw script_error{line, "'" + seconds + "' is no number of seconds up to a million"};
    }
    return std::llround(std::stod(seconds) * 1e6);
}

inline std::vector<std::uint32_t> read_cookie(int line, const std::string& text)
{
    if (text == "*") {
        return {any_cookie};
    }
    if (text.size() % 2 != 0 || text.size() > 32 || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
        throw script_error{line, "a cookie is up to 16 octets in digits and small letters, or *, not '" + text + "'"};
    }
    std::vector<std::uint32_t> octets;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        octets.push_back(static_cast<std::uint32_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return octets;
}

inline void read_options(int line, const std::string& text, segment& into)
{
    for (const std::string& option : split(text)) {
        std::istringstream words{option};
        std::string name, word;
        words >> name;
        std::vector<std::uint32_t> numbers;
        if (name == "FO") {
            words >> word;
            into.options.emplace_back(name, read_cookie(line, word));
            continue;
        }
        while (words >> word) {
            if (name == "TS" && (word == "val" || word == "ecr")) {
                continue;
            }
            const auto colon = name == "sack" ? word.find(':') : std::string::npos;
            numbers.push_back(number(line, word.substr(0, colon)));
            if (colon != std::string::npos) {
                numbers.push_back(number(line, word.substr(colon + 1)));
            }
        }
        const bool one = name == "mss" || name == "wscale";
        const bool none = name == "sackOK" || name == "nop" || name == "eol";
        const bool blocks = name == "sack" && !numbers.empty() && numbers.size() % 2 == 0;
        if (!(one && numbers.size() == 1) && !(none && numbers.empty()) && !blocks && !(name == "TS" && numbers.size() == 2)) {
            throw script_error{line, "option '" + option + "' is none of mss N, wscale N, sackOK, nop, eol, TS val N ecr N, "
                                                            "sack L:R ..., FO [COOKIE]"};
        }
        into.options.emplace_back(name, numbers);
    }
}

// Where "1:1001(1000)" begins, and how many octets it has.
inline std::pair<std::uint32_t, std::uint32_t> read_range(int line, const std::string& first, const std::string& last,
                                                          const std::string& length)
{
    const std::uint32_t seq = number(line, first), octets = number(line, length);
    if (seq + octets != number(line, last)) {
        throw script_error{line, first + ":" + last + " does not hold " + length + " octets"};
    }
    return {seq, octets};
}

inline segment read_segment(int line, const std::string& text)
{
    static const std::regex shape{
        R"(^([<>])([1-9])?\s*(?:\[(\w+)\]\s*)?([SFRPUEWA.]+|-)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+))?)"
        R"((?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?(?:\s*<(.*)>)?$)"};
    std::smatch m;
    if (!std::regex_match(text, m, shape)) {
        throw script_error{line, "a segment is '< FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [<options>]', not '" +
                                     text + "'"};
    }
    segment made;
    made.inbound = m[1] == "<";
    made.peer = m[2].matched ? number(line, m[2]) : 1;
    if (m[3].matched) {
        static const std::vector<std::string> marks{"noecn", "ect1", "ect0", "ce"};
        const auto mark = std::find(marks.begin(), marks.end(), m[3].str());
        if (mark == marks.end()) {
            throw script_error{line, "[" + m[3].str() + "] is none of [noecn], [ect0], [ect1], [ce]"};
        }
        made.ecn = static_cast<unsigned>(mark - marks.begin());
    }
    made.flags = m[4] == "-" ? "" : m[4].str();
    std::tie(made.seq, made.length) = read_range(line, m[5], m[6], m[7]);
    const bool acknowledges = made.flags.find('.') != std::string::npos;
    if (acknowledges != m[8].matched) {
        throw script_error{line, acknowledges ? "'.' is set, but no ack is given" : "an ack is given, but '.' is not set"};
    }
    if (m[8].matched) {
        made.ack = number(line, m[8]);
    }
    if (m[9].matched) {
        made.window = number(line, m[9]);
    }
    made.urgent = m[10].matched ? number(line, m[10]) : 0;
    if (std::max(made.window.value_or(0), made.urgent) > UINT16_MAX) {
        throw script_error{line, "a window and an urgent pointer are 65535 at the most"};
    }
    made.any_options = !m[11].matched || m[11] == "...";
    if (!made.any_options) {
        read_options(line, m[11], made);
    }
    return made;
}

inline icmp_error read_icmp(int line, const std::string& text)
{
    static const std::regex shape{
        R"(^<([1-9])?\s*icmp\s+unreachable\s+(\w+)(?:\s+mtu\s+(\d+))?\s+\[(\d+):(\d+)\((\d+)\)\]$)"};
    static const std::vector<std::pair<std::string, int>> codes{
        {"net_unreachable", 0},  {"host_unreachable", 1},    {"protocol_unreachable", 2}, {"port_unreachable", 3},
        {"frag_needed", 4},      {"source_route_failed", 5}, {"net_unknown", 6},          {"host_unknown", 7},
        {"net_prohibited", 9},   {"host_prohibited", 10},    {"packet_filtered", 13}};
    std::smatch m;
    const bool fits = std::regex_match(text, m, shape);
    const auto code = std::find_if(codes.begin(), codes.end(), [&](const auto& c) { return fits && c.first == m[2]; });
    if (code == codes.end()) {
        throw script_error{line,
                           "an ICMP error is '< icmp unreachable CODE [mtu N] [SEQ:END(LEN)]', not '" + text + "'"};
    }
    icmp_error made;
    made.peer = m[1].matched ? number(line, m[1]) : 1;
    made.code = static_cast<std::uint8_t>(code->second);
    made.mtu = static_cast<std::uint16_t>(m[3].matched ? std::min(number(line, m[3]), 65'535U) : 0);
    std::tie(made.seq, made.length) = read_range(line, m[4], m[5], m[6]);
    return made;
}

inline call read_call(int line, const std::string& text)
{
    static const std::regex shape{R"(^([a-z_0-9]+)\s*\((.*)\)\s*=\s*(-?\d+|\.\.\.)(?:\s+(E[A-Z0-9]+)(?:\s+\(.*\))?)?$)"};
    std::smatch m;
    // The words behind an errno hold brackets too: they are cut first, else the arguments would reach into them.
    const std::string plain = std::regex_replace(text, std::regex{R"((=\s*-1\s+E[A-Z0-9]+)\s+\([^()]*\)$)"}, "$1");
    if (!std::regex_match(plain, m, shape)) {
        throw script_error{line, "a call is 'NAME(arguments) = RESULT [ERRNO (words)]', not '" + text + "'"};
    }
    if (m[3].length() > 10) {
        throw script_error{line, "'" + m[3].str() + "' is no result of a call"};
    }
    return {m[1], split(m[2]), m[3], m[4], std::nullopt};
}

inline check read_check(int line, const std::string& text)
{
    static const std::regex shape{R"(^(?:assert\s+)?(tcpi_[a-z_]+)\s*(==|!=|<=|>=|<|>)\s*(-?\d{1,18})$)"};
    check made;
    for (const std::string& term : split(text)) {
        std::smatch m;
        if (!std::regex_match(term, m, shape)) {
            throw script_error{line, "a check is 'tcpi_NAME == NUMBER', not '" + term + "'"};
        }
        made.terms.push_back({m[1], m[2], std::stoll(m[3])});
    }
    return made;
}

inline event read_event(int line, const std::string& text)
{
    static const std::regex timed{R"(^(?:(\*)|(\+?)(\d*\.?\d+)(?:(~|\.\.\.)\+?(\d*\.?\d+))?)\s+(.*)$)"};
    std::smatch m;
    if (!std::regex_match(text, m, timed)) {
        throw script_error{line, "an event begins with a time (0.1, +.1, +0~+.2, +0...0.2 or *), not '" + text + "'"};
    }
    event made{line, {}, {}, {}};
    made.due.how = m[1].matched    ? when::kind::whenever
                   : m[2] == "+" ? when::kind::relative
                                 : when::kind::absolute;
    made.due.at = m[3].matched ? microseconds(line, m[3]) : 0;
    made.due.until = m[4] == "~" ? microseconds(line, m[5]) : made.due.at;
    const std::string rest = m[6];
    if (rest.find(" icmp ") < 3) {
        made.what = read_icmp(line, rest);
    } else if (rest.front() == '<' || rest.front() == '>') {
        made.what = read_segment(line, rest);
    } else if (rest.size() > 4 && rest.substr(0, 2) == "%{" && rest.substr(rest.size() - 2) == "}%") {
        made.what = read_check(line, rest.substr(2, rest.size() - 4));
    } else {
        made.what = read_call(line, rest);
    }
    if (m[4] == "...") {
        if (!std::holds_alternative<call>(made.what)) {
            throw script_error{line, "only a call can block: '...' stands before something else"};
        }
        std::get<call>(made.what).blocks_until = microseconds(line, m[5]);
    }
    return made;
}

// "--tolerance_usecs=N" and "--net.ipv4.NAME=N"
inline void read_setting(int line, const std::string& text, script& into)
{
    const auto is = text.find('=');
    const std::string name = text.substr(2, is - 2);
    const std::uint32_t value = number(line, is == std::string::npos ? "" : text.substr(is + 1));
    if (name == "tolerance_usecs") {
        into.tolerance = value;
    } else if (name.rfind("net.ipv4.", 0) == 0 && name.find_first_of("/.", 9) == std::string::npos) {
        into.settings.emplace_back(name.substr(9), value);
    } else {
        throw script_error{line, "'" + name + "' is neither tolerance_usecs nor net.ipv4.NAME"};
    }
}

inline script read_script(const std::string& text)
{
    script made;
    std::istringstream lines{text};
    std::string read, world;
    static const std::regex on{R"(^#\s*on (kernel|tcpco|both)(?::\s*(\S.*))?$)"};
    for (int line = 1; std::getline(lines, read); ++line) {
        if (read.size() > longest_line) {
            throw script_error{line, "is longer than " + std::to_string(longest_line) + " characters"};
        }
        std::smatch m;
        std::string words = trimmed(read);
        if (std::regex_match(words, m, on)) {
            world = m[1] == "both" ? "" : m[1].str();
            if (m[2].matched) {
                made.differences.push_back(m[2]);
            } else if (!world.empty() && !made.differs()) {
                throw script_error{line, "the first '# on " + world + "' wants a reason: '# on " + world + ": ...'"};
            }
            continue;
        }
        words = without_comment(line, words);
        if (words.rfind("--", 0) == 0) {
            read_setting(line, words, made);
        } else if (!words.empty()) {
            made.events.push_back(read_event(line, words));
            made.events.back().world = world;
        }
    }
    return made;
}

} // namespace tcpco_test::drill
