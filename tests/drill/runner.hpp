// Plays a script against a world: makes its calls, sends its packets, compares what the stack sends with what the script
// expects, and when. The first mismatch ends it, and is told with all that went before.
//
// A packet that nothing in the script expects is a mismatch, too, at its end as well. A call that blocks (TIME...END) is
// not played: scripts use O_NONBLOCK.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iomanip>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "drill/calls.hpp"
#include "drill/notation.hpp"
#include "drill/packets.hpp"
#include "drill/world.hpp"

namespace tcpco_test::drill {

inline std::int64_t info_value(const tcpco::posix::detail::linux_tcp_info& i, const std::string& name)
{
    const std::map<std::string, std::uint64_t> all{
        {"tcpi_state", i.tcpi_state}, {"tcpi_ca_state", i.tcpi_ca_state}, {"tcpi_retransmits", i.tcpi_retransmits},
        {"tcpi_probes", i.tcpi_probes}, {"tcpi_backoff", i.tcpi_backoff}, {"tcpi_options", i.tcpi_options},
        {"tcpi_rto", i.tcpi_rto}, {"tcpi_snd_mss", i.tcpi_snd_mss}, {"tcpi_unacked", i.tcpi_unacked},
        {"tcpi_sacked", i.tcpi_sacked}, {"tcpi_lost", i.tcpi_lost}, {"tcpi_rtt", i.tcpi_rtt},
        {"tcpi_snd_ssthresh", i.tcpi_snd_ssthresh}, {"tcpi_snd_cwnd", i.tcpi_snd_cwnd},
        {"tcpi_total_retrans", i.tcpi_total_retrans}, {"tcpi_bytes_acked", i.tcpi_bytes_acked},
        {"tcpi_bytes_received", i.tcpi_bytes_received}, {"tcpi_notsent_bytes", i.tcpi_notsent_bytes},
        {"tcpi_snd_wnd", i.tcpi_snd_wnd}};
    const auto found = all.find(name);
    if (found == all.end()) {
        throw std::runtime_error{name + " is not known"};
    }
    return static_cast<std::int64_t>(found->second);
}

class player {
public:
    player(world& w, const std::string& name, const std::string& text) : world_{w}, name_{name}
    {
        std::istringstream lines{text};
        for (std::string line; std::getline(lines, line);) {
            lines_.push_back(trimmed(line));
        }
    }

    // Empty, or what did not come as the script has it.
    std::string play(const script& s)
    {
        tolerance_ = s.tolerance + world_.tolerance();
        try {
            for (const event& e : s.events) {
                line_ = e.line;
                play(e);
            }
            ++line_;
            world_.wait_until(world_.now() + 1);
            if (!world_.packets.empty()) {
                differs("the script's end", described(take()));
            }
        } catch (const mismatch& m) {
            return m.what();
        } catch (const std::exception& e) {
            return told(lines_.at(static_cast<std::size_t>(line_ - 1)), e.what());
        }
        return {};
    }

private:
    struct mismatch : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    struct arrival {
        std::int64_t at = 0;
        std::optional<segment> what;  // or something else than TCP
    };

    void play(const event& e)
    {
        const std::int64_t base = e.due.how == when::kind::absolute   ? 0
                                  : e.due.how == when::kind::relative ? last_
                                                                      : world_.now();
        const std::int64_t from = base + e.due.at, until = base + e.due.until;
        const segment* s = std::get_if<segment>(&e.what);
        if (s != nullptr && !s->inbound) {
            expect(*s, e, from, until);
            return;
        }
        if (from > world_.now()) {
            world_.wait_until(from);
        }
        last_ = e.due.how == when::kind::whenever ? world_.now() : from;
        if (s != nullptr) {
            note(text_of(*s), world_.now());
            world_.inject(wire_.encode(*s));
        } else if (const call* c = std::get_if<call>(&e.what)) {
            make(*c);
        } else {
            look(std::get<check>(e.what));
        }
    }

    void make(const call& c)
    {
        if (c.blocks_until) {
            throw std::runtime_error{"calls that block are not played"};
        }
        const std::int64_t before = world_.now();
        const std::string got = caller_.make(c);
        note(lines_.at(static_cast<std::size_t>(line_ - 1)) + "   : " + got, before);
        if (world_.now() > before + tolerance_) {
            differs(script_line(), "the call took " + seconds(world_.now() - before) + " s");
        }
        const std::string wanted = c.error.empty() ? c.result : c.result + ' ' + c.error;
        if (wanted != got && (wanted != "..." || got.front() == '-')) {
            differs(script_line(), got);
        }
    }

    void look(const check& c)
    {
        const auto info = caller_.info();
        for (const check::term& t : c.terms) {
            const std::int64_t value = info_value(info, t.name);
            const bool holds = t.relation == "==" ? value == t.value : t.relation == "!=" ? value != t.value
                             : t.relation == "<=" ? value <= t.value : t.relation == ">=" ? value >= t.value
                             : t.relation == "<"  ? value < t.value  : value > t.value;
            if (!holds) {
                differs(script_line(), t.name + " is " + std::to_string(value));
            }
        }
    }

    void expect(const segment& wanted, const event& e, std::int64_t from, std::int64_t until)
    {
        const bool whenever = e.due.how == when::kind::whenever;
        const std::int64_t limit = whenever ? world_.now() + world_.longest_wait() : until + tolerance_;
        if (world_.packets.empty() && !world_.wait_for_packet(limit)) {
            differs(script_line(), "nothing until " + seconds(limit));
        }
        const arrival got = take();
        const bool on_time = whenever || (got.at >= from - tolerance_ && got.at <= limit);
        if (!got.what || !agrees(wanted, *got.what) || !on_time) {
            differs(script_line() + (whenever ? "" : "   at " + seconds(from)), described(got));
        }
        last_ = from == until && !whenever ? from : got.at;
    }

    arrival take()
    {
        const auto [at, packet] = world_.packets.front();
        world_.packets.pop_front();
        const arrival a{at, wire_.decode(packet)};
        note(a.what ? text_of(*a.what) : "> no TCP segment of this connection: " + dump_ip(packet), at);
        return a;
    }

    static std::string seconds(std::int64_t us)
    {
        std::ostringstream text;
        text << std::fixed << std::setprecision(6) << static_cast<double>(us) / 1e6;
        return text.str();
    }
    static std::string described(const arrival& a)
    {
        return (a.what ? text_of(*a.what) : "no TCP segment of this connection") + "   at " + seconds(a.at);
    }
    std::string script_line() const { return lines_.at(static_cast<std::size_t>(line_ - 1)); }
    void note(const std::string& text, std::int64_t at) { trace_ += "    " + seconds(at) + ' ' + text + '\n'; }

    std::string told(const std::string& wanted, const std::string& got) const
    {
        return name_ + ':' + std::to_string(line_) + ": on " + world_.name() + "\n  expected: " + wanted +
               "\n  got:      " + got + "\n  the trace:\n" + trace_;
    }
    [[noreturn]] void differs(const std::string& wanted, const std::string& got) const
    {
        throw mismatch{told(wanted, got)};
    }

    world& world_;
    std::string name_;
    std::vector<std::string> lines_;
    translator wire_;
    caller caller_{world_};
    std::string trace_;
    std::int64_t tolerance_ = 0;
    std::int64_t last_ = 0;
    int line_ = 1;
};

// Whether the script says that it does not hold there.
inline bool differs_on(const std::string& world, const std::string& text)
{
    const script s = read_script(text);
    return std::any_of(s.differences.begin(), s.differences.end(), [&](const auto& d) { return d.first == world; });
}

// Where the script fails there, as it states ("differs on kernel: line 12: ..."): how the mismatch has to begin. Empty: it
// states none.
inline std::string stated_mismatch(const std::string& world, const std::string& name, const std::string& text)
{
    for (const auto& [where, what] : read_script(text).differences) {
        if (where == world && what.rfind("line ", 0) == 0) {
            return name + ":" + what.substr(5, what.find(':') - 5) + ":";
        }
    }
    return {};
}

// Empty, or why the script does not hold there.
inline std::string play(world& w, const std::string& name, const std::string& text)
{
    script s;
    try {
        s = read_script(text);
    } catch (const std::exception& e) {
        return name + ": " + e.what();
    }
    return player{w, name, text}.play(s);
}

}  // namespace tcpco_test::drill
