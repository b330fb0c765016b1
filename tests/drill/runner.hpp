// Plays a script against a world: makes its calls, sends its packets, compares what the stack sends with what the script
// expects, and when. The first mismatch ends it, and is told with all that went before.
//
// A packet that nothing in the script expects is a mismatch, too, at its end as well. A call that blocks (TIME...END)
// goes on while the script does, up to the next call or check, before which it has to be over.
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
#include <utility>
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

    ~player() { world_.give_up(); }  // before the descriptors go

    // Empty, or what did not come as the script has it for `variant`: what it says of "tcpco" or of "kernel".
    std::string play(const script& s, const std::string& variant)
    {
        tolerance_ = s.tolerance + world_.tolerance();
        try {
            for (const event& e : s.events) {
                if (e.world.empty() || e.world == variant) {
                    line_ = e.line;
                    play(e);
                }
            }
            await_call();
            line_ = static_cast<int>(lines_.size());
            world_.wait_until(world_.now() + 1);
            if (!world_.packets.empty()) {
                differs("the script's end", described(take()));
            }
        } catch (const mismatch& m) {
            return m.what();
        } catch (const std::exception& e) {
            return told(script_line(), e.what());
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
        if (std::holds_alternative<call>(e.what) || std::holds_alternative<check>(e.what)) {
            await_call();
        }
        if (from > world_.now()) {
            world_.wait_until(from);
        }
        late_ = std::max(late_, e.due.how == when::kind::whenever ? 0 : world_.now() - from);
        last_ = e.due.how == when::kind::whenever ? world_.now() : from;
        if (s != nullptr) {
            note(text_of(*s), world_.now());
            world_.inject(wire_of(s->peer).encode(*s));
        } else if (const icmp_error* i = std::get_if<icmp_error>(&e.what)) {
            note(script_line(), world_.now());
            world_.inject(wire_of(i->peer).encode(*i));
        } else if (const call* c = std::get_if<call>(&e.what); c != nullptr && c->blocks_until) {
            waiting_ = {*c, line_, base + *c->blocks_until, {}, {}};
            world_.begin([this] {
                try {
                    waiting_->got = caller_.make(waiting_->what);
                } catch (const std::exception& error) {
                    waiting_->complaint = error.what();
                }
            });
        } else if (c != nullptr) {
            make(*c);
        } else {
            look(std::get<check>(e.what));
        }
    }

    // The call that waits is over at its time, with its result.
    void await_call()
    {
        if (!waiting_) {
            return;
        }
        const std::int64_t limit = waiting_->until + tolerance_ + 3 * late_;
        while (!world_.ended() && world_.now() < limit) {
            world_.wait_until(std::min(limit, world_.now() + 1'000));
        }
        const int line = std::exchange(line_, waiting_->line);
        const std::optional<std::int64_t> ended = world_.ended();
        if (!ended) {
            differs(script_line(), "the call still waits at " + seconds(world_.now()));
        }
        world_.give_up();
        const waiting over = *std::exchange(waiting_, std::nullopt);
        note(script_line() + "   : " + over.got, *ended);
        if (!over.complaint.empty()) {
            throw std::runtime_error{over.complaint};
        }
        if (*ended < over.until - tolerance_ || *ended > limit) {
            differs(script_line(), "the call was over at " + seconds(*ended));
        }
        compare(over.what, over.got);
        line_ = line;
    }

    void compare(const call& c, const std::string& got)
    {
        const std::string wanted = c.error.empty() ? c.result : c.result + ' ' + c.error;
        if (wanted != got && (wanted != "..." || got.front() == '-')) {
            differs(script_line(), got);
        }
    }

    void make(const call& c)
    {
        const std::int64_t before = world_.now();
        const std::string got = caller_.make(c);
        note(script_line() + "   : " + got, before);
        if (world_.now() > before + tolerance_) {
            differs(script_line(), "the call took " + seconds(world_.now() - before) + " s");
        }
        compare(c, got);
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
        const std::int64_t allowed = tolerance_ + 3 * late_ + world_.lag(std::max<std::int64_t>(0, until - last_));
        const std::int64_t limit = whenever ? world_.now() + world_.longest_wait() : until + allowed;
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
        arrival a{at, {}};
        for (unsigned peer = 1; peer < 10 && !a.what; ++peer) {
            a.what = wire_of(peer).decode(packet);
        }
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
    std::string script_line() const { return line_ > 0 ? lines_.at(static_cast<std::size_t>(line_ - 1)) : ""; }
    translator& wire_of(unsigned peer) { return wires_.try_emplace(peer, peer, cookie_).first->second; }
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
    struct waiting {
        call what;
        int line = 0;
        std::int64_t until = 0;
        std::string got;
        std::string complaint;
    };
    std::vector<std::uint32_t> cookie_;
    std::map<unsigned, translator> wires_;
    caller caller_{world_};
    std::optional<waiting> waiting_;
    std::string trace_;
    std::int64_t tolerance_ = 0;
    std::int64_t last_ = 0;
    // How far the script itself was behind its time, at worst, where time is real. An RTO is three times a round trip.
    std::int64_t late_ = 0;
    int line_ = 0;
};

// Empty, or why the script does not hold in a new world of this kind; as it is for `variant`, which else is that world.
template <class World>
std::string play_in(const std::string& name, const std::string& text, const script& s, const std::string& variant = {})
{
    try {
        World w{s.settings};
        return player{w, name, text}.play(s, variant.empty() ? w.name() : variant);
    } catch (const std::exception& e) {
        return name + ": " + e.what();
    }
}

template <class World>
std::string play_in(const std::string& name, const std::string& text, const std::string& variant = {})
{
    try {
        return play_in<World>(name, text, read_script(text), variant);
    } catch (const std::exception& e) {
        return name + ": " + e.what();
    }
}

}  // namespace tcpco_test::drill
