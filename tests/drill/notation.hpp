// Reads scripts in packetdrill's notation into events: what a runner plays, whatever stands behind it. Leaves out: ICMP lines,
// shell commands, struct arguments (an argument in braces is kept as text), IPv6 prefixes, several connections.
//
//   # differs on kernel: REASON        a difference that is known (or: on tcpco)
//   --tolerance_usecs=N                how far a packet may be from its time
//   TIME < FLAGS SEQ:END(LEN) [ack N] [win N] [<options>]      a packet to the stack; > is one from it
//   TIME NAME(arguments) = RESULT [ERRNO (words)]              a user call; TIME...END when it blocks until END
//   TIME %{ tcpi_state == 1, tcpi_rto > 0 }%                   what tcp_info shall say
// TIME is 0.1 (since the start), +.1 (since the event before), +0~+.2 (within) or * (whenever).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
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
    std::string flags;
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
    std::optional<std::uint32_t> ack;
    std::optional<std::uint32_t> window;
    std::vector<std::pair<std::string, std::vector<std::uint32_t>>> options;
    bool any_options = false; // no <...> at all, or <...> itself: not looked at
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
    std::variant<segment, call, check> what;
};

struct script {
    std::int64_t tolerance = 4000; // microseconds; packetdrill's own default
    std::vector<std::pair<std::string, std::string>> differences; // {"kernel", reason}
    std::vector<event> events;
};

inline std::string trimmed(const std::string& text)
{
    const auto first = text.find_first_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Splits at commas which stand in no bracket and no string.
inline std::vector<std::string> split(const std::string& text)
{
    std::vector<std::string> parts;
    std::string part;
    int depth = 0;
    bool quoted = false;
    for (const char letter : text) {
        quoted = quoted != (letter == '"');
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

inline std::int64_t microseconds(const std::string& seconds) { return std::llround(std::stod(seconds) * 1e6); }

inline void read_options(int line, const std::string& text, segment& into)
{
    for (const std::string& option : split(text)) {
        std::istringstream words{option};
        std::string name, word;
        words >> name;
        std::vector<std::uint32_t> numbers;
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
                                                            "sack L:R ..."};
        }
        into.options.emplace_back(name, numbers);
    }
}

inline segment read_segment(int line, const std::string& text)
{
    static const std::regex shape{
        R"(^([<>])\s*([SFRPUEWC.]+)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+))?(?:\s+win\s+(\d+))?(?:\s*<(.*)>)?$)"};
    std::smatch m;
    if (!std::regex_match(text, m, shape)) {
        throw script_error{line, "a segment is '< FLAGS SEQ:END(LEN) [ack N] [win N] [<options>]', not '" + text + "'"};
    }
    segment made;
    made.inbound = m[1] == "<";
    made.flags = m[2];
    made.seq = number(line, m[3]);
    made.length = number(line, m[5]);
    if (made.seq + made.length != number(line, m[4])) {
        throw script_error{line, m[3].str() + ":" + m[4].str() + " does not hold " + m[5].str() + " octets"};
    }
    const bool acknowledges = made.flags.find('.') != std::string::npos;
    if (acknowledges != m[6].matched) {
        throw script_error{line, acknowledges ? "'.' is set, but no ack is given" : "an ack is given, but '.' is not set"};
    }
    if (m[6].matched) {
        made.ack = number(line, m[6]);
    }
    if (m[7].matched) {
        made.window = number(line, m[7]);
    }
    made.any_options = !m[8].matched || m[8] == "...";
    if (!made.any_options) {
        read_options(line, m[8], made);
    }
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
    event made{line, {}, {}};
    made.due.how = m[1].matched    ? when::kind::whenever
                   : m[2] == "+" ? when::kind::relative
                                 : when::kind::absolute;
    made.due.at = m[3].matched ? microseconds(m[3]) : 0;
    made.due.until = m[4] == "~" ? microseconds(m[5]) : made.due.at;
    const std::string rest = m[6];
    if (rest.front() == '<' || rest.front() == '>') {
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
        std::get<call>(made.what).blocks_until = microseconds(m[5]);
    }
    return made;
}

inline script read_script(const std::string& text)
{
    script made;
    std::istringstream lines{text};
    std::string read;
    static const std::regex differs{R"(^#\s*differs on (kernel|tcpco):\s*(\S.*)$)"};
    for (int line = 1; std::getline(lines, read); ++line) {
        std::smatch m;
        std::string words = trimmed(read);
        if (std::regex_match(words, m, differs)) {
            made.differences.emplace_back(m[1], m[2]);
            continue;
        }
        words = trimmed(words.substr(0, std::min(words.find('#'), words.find("//"))));
        if (words.rfind("--tolerance_usecs=", 0) == 0) {
            made.tolerance = number(line, words.substr(18));
        } else if (!words.empty()) {
            made.events.push_back(read_event(line, words));
        }
    }
    return made;
}

} // namespace tcpco_test::drill
