// Packets as text, for conformance tests: how a packet is said, and whether one that was seen is what was expected.
//
// A packet is said as flags, then fields. Flags: S A F R P U E W e (AE), or "." for none. Fields: seq ack win len urg, ecn (the
// code point in the IP header, 0 to 3); options
// mss ws sackok ts=VAL/ECR uto sack=L-R,L-R acc=ORDER:N,N,N (AccECN) opt=HEX (raw); to send also port src dst to off (a false data offset)
// sum=bad and r (reserved bits). Numbers are absolute and decimal, or hexadecimal with 0x.
//
// A packet that was seen equals what is expected if every field that was named agrees. Flags must agree wholly, but PSH
// counts only when named; a len that is not named is 0. To expect: t=SECONDS since mark(), within a millisecond;
// mss=none, ws=none, sack=none, ts=none, uto=none, acc=none; ace=N in place of the flags E W e; tsecr=N; "-" for nothing at all; "this | that" allows either.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tcpco/wire/dump.hpp"

namespace tcpco_test {

using namespace tcpco;

// What was said of a packet.
struct packet_words {
    bool nothing = false;
    std::uint16_t flags = 0;
    bool icmp = false;
    std::map<std::string, std::string> fields;

    explicit packet_words(std::string_view text)
    {
        std::istringstream words{std::string{text}};
        std::string word;
        words >> word;
        nothing = word == "-";
        icmp = word == "icmp";
        if (!nothing && !icmp && word != ".") {
            for (const char letter : word) {
                flags = static_cast<std::uint16_t>(flags | flag_of(letter));
            }
        }
        while (words >> word) {
            const auto equals = word.find('=');
            if (known().count(word.substr(0, equals)) == 0) {
                throw std::invalid_argument{"no field of a packet is called " + word};
            }
            fields[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
        }
    }

    bool has(const std::string& name) const { return fields.count(name) > 0; }
    std::string text(const std::string& name) const { return has(name) ? fields.at(name) : ""; }
    std::uint32_t number(const std::string& name, std::uint32_t otherwise = 0) const
    {
        return has(name) ? static_cast<std::uint32_t>(std::stoul(fields.at(name), nullptr, 0)) : otherwise;
    }

    // The flags that were said, with those of `ace` (RFC 9768) as one number.
    std::uint16_t all_flags() const
    {
        const unsigned ace = number("ace");
        return static_cast<std::uint16_t>(flags | ((ace & 4) != 0 ? tcp_flag::ae : 0) |
                                          ((ace & 2) != 0 ? tcp_flag::cwr : 0) | ((ace & 1) != 0 ? tcp_flag::ece : 0));
    }

    // A word that nobody reads would make a test say less than it seems to.
    static const std::set<std::string>& known()
    {
        static const std::set<std::string> words{
            "seq", "ack",  "win", "len", "urg", "ecn", "mss", "ws", "sackok", "ts",    "tsecr", "uto", "sack",
            "acc", "opt",  "port", "src", "dst", "to",  "off", "sum", "r",      "t",     "ace",   "type", "code"};
        return words;
    }

    static std::uint16_t flag_of(char letter)
    {
        switch (letter) {
        case 'S': return tcp_flag::syn;
        case 'A': return tcp_flag::ack;
        case 'F': return tcp_flag::fin;
        case 'R': return tcp_flag::rst;
        case 'P': return tcp_flag::psh;
        case 'U': return tcp_flag::urg;
        case 'E': return tcp_flag::ece;
        case 'W': return tcp_flag::cwr;
        case 'e': return tcp_flag::ae;
        default: throw std::invalid_argument{std::string{"no flag is called "} + letter};
        }
    }
};

// Something that the stack sent, or nothing.
struct packet {
    enum class kind : std::uint8_t { nothing, tcp, icmp, other };

    kind what = kind::nothing;
    tcp_header header{};
    tcp_options options{};
    std::size_t length = 0;  // payload octets
    duration at{};           // since mark()
    icmp_header icmp{};
    std::vector<std::byte> octets;  // from the IP header on
    std::shared_ptr<const std::string> conversation;

    std::uint32_t seq() const { return header.seq.value; }
    std::uint32_t ack() const { return header.ack.value; }
    std::uint16_t win() const { return header.window; }

    bool is(const packet_words& words) const
    {
        if (words.nothing || what == kind::nothing) {
            return words.nothing && what == kind::nothing;
        }
        if (words.has("t") && std::fabs(at.seconds() - std::stod(words.text("t"))) > 0.001) {
            return false;
        }
        if (words.icmp || what != kind::tcp) {
            return words.icmp && what == kind::icmp && words.number("type") == static_cast<unsigned>(icmp.type) &&
                   words.number("code") == icmp.code;
        }
        return flags_are(words) && header_is(words) && options_are(words) && accecn_is(words);
    }

private:
    bool flags_are(const packet_words& words) const
    {
        const std::uint16_t wanted = words.all_flags();
        const auto ignored = static_cast<std::uint16_t>(~wanted & tcp_flag::psh);
        return (header.flags & ~ignored) == wanted;
    }
    bool accecn_is(const packet_words& words) const
    {
        if (!words.has("acc")) {
            return true;
        }
        std::string text = std::to_string(options.accecn.order) + ':';
        for (std::size_t i = 0; i < options.accecn.count; ++i) {
            text += (i == 0 ? "" : ",") + std::to_string(options.accecn.fields[i]);
        }
        return words.text("acc") == (options.accecn.present ? text : "none");
    }
    bool header_is(const packet_words& words) const
    {
        return seq() == words.number("seq", seq()) && ack() == words.number("ack", ack()) &&
               header.window == words.number("win", header.window) && length == words.number("len", 0) &&
               header.destination_port == words.number("port", header.destination_port) &&
               header.urgent_pointer == words.number("urg", header.urgent_pointer) &&
               (!words.has("ecn") || (std::to_integer<unsigned>(octets[1]) & 3) == words.number("ecn"));
    }
    static bool optional_is(const packet_words& words, const char* name, bool present, std::uint32_t value)
    {
        if (!words.has(name)) {
            return true;
        }
        return words.text(name) == "none" ? !present
                                          : present && (words.text(name).empty() || words.number(name) == value);
    }
    bool options_are(const packet_words& words) const
    {
        return optional_is(words, "mss", options.has_mss, options.mss) &&
               optional_is(words, "ws", options.has_window_scale, options.window_scale) &&
               optional_is(words, "ts", options.has_timestamps, options.tsval) &&
               optional_is(words, "tsecr", options.has_timestamps, options.tsecr) &&
               optional_is(words, "uto", options.user_timeout != 0, options.user_timeout) &&
               optional_is(words, "sackok", options.sack_permitted, 0) && sacks_are(words);
    }
    bool sacks_are(const packet_words& words) const
    {
        if (!words.has("sack")) {
            return true;
        }
        std::string text;
        for (const sack_block& b : options.sacks()) {
            text += (text.empty() ? "" : ",") + std::to_string(b.left.value) + '-' + std::to_string(b.right.value);
        }
        return words.text("sack") == (text.empty() ? "none" : text);
    }
};

inline bool operator==(const packet& seen, std::string_view expected)
{
    for (auto bar = expected.find('|'); bar != expected.npos; bar = expected.find('|')) {
        if (seen.is(packet_words{expected.substr(0, bar)})) {
            return true;
        }
        expected.remove_prefix(bar + 1);
    }
    return seen.is(packet_words{expected});
}
inline bool operator!=(const packet& seen, std::string_view expected) { return !(seen == expected); }
inline bool operator==(const packet& seen, const char* expected) { return seen == std::string_view{expected}; }
inline bool operator!=(const packet& seen, const char* expected) { return !(seen == expected); }

inline std::ostream& operator<<(std::ostream& out, const packet& p)
{
    if (p.what == packet::kind::nothing) {
        out << "nothing";
    } else {
        out << "at " << p.at.seconds() << " s: " << dump_ip(p.octets);
    }
    if (p.conversation != nullptr) {
        out << "\nafter this conversation (< to the stack, > from it):\n" << *p.conversation << "that packet";
    }
    return out;
}

}  // namespace tcpco_test
