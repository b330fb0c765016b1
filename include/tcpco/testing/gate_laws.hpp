// What every send gate owes: check_gate_laws<G>() asks a G about small segments of all kinds and returns which of these
// laws it broke. Whether a small segment waits while others are unacknowledged is the gate's own business; that it
// leaves some day, and that the application's word counts, is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace gate_law {

inline constexpr law full_leaves{"a full segment leaves", "RFC 9293 3.7.4"};
inline constexpr law end_leaves{"what the stream ends with leaves", "RFC 9293 3.7.4"};
inline constexpr law cork_holds{"a cork holds what is not full", "policy/send_gate/nagle.hpp"};
inline constexpr law no_delay{"with no_delay nothing waits but for a cork", "RFC 9293 3.7.4, MUST-17"};
inline constexpr law idle_leaves{"where nothing is unacknowledged nothing waits but for a cork", "RFC 9293 3.7.4"};
inline constexpr law same_answer{"the same question has the same answer", "a run can be repeated"};

}  // namespace gate_law

namespace detail {

template <send_gate G>
struct gate_suite {
    using event = small_segment;
    const typename G::config& config;

    std::vector<event> script(random_source& random, std::uint32_t count) const
    {
        std::vector<event> made;
        while (made.size() < count) {
            event s{.smss = random.below(4) == 0 ? 1 + random.below(9'000) : 1'448};
            const auto smss = static_cast<std::uint32_t>(s.smss);
            s.octets = random.below(4) == 0 ? smss + random.below(3) : 1 + random.below(smss);
            s.unacknowledged = random.below(3) == 0 ? 0 : 1 + static_cast<octet_count>(random.next() >> 32);
            s.last_small_unacknowledged = s.unacknowledged > 0 && random.below(2) == 0;
            s.no_delay = random.below(3) == 0;
            s.corked = random.below(3) == 0;
            s.fin_follows = random.below(4) == 0;
            made.push_back(s);
        }
        return made;
    }

    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        const G gate{config};
        for (std::size_t i = 0; i < script.size(); ++i) {
            sheet.begin(i);
            judge(gate, script[i], sheet);
        }
    }

private:
    void judge(const G& gate, const event& s, law_sheet& sheet) const
    {
        const bool leaves = gate.may_send(s);
        const bool full = s.octets >= s.smss;
        const auto expect = [&](const law& l, bool applies, bool wanted) {
            if (applies) {
                sheet.expect(l, leaves == wanted, [&] {
                    return text(s, leaves) + "; the law wants that it " + (wanted ? "leaves" : "waits");
                });
            }
        };
        expect(gate_law::full_leaves, full, true);
        expect(gate_law::end_leaves, s.fin_follows && !full, true);
        const bool may_wait = !full && !s.fin_follows;
        expect(gate_law::cork_holds, may_wait && s.corked, false);
        expect(gate_law::no_delay, may_wait && !s.corked && s.no_delay, true);
        expect(gate_law::idle_leaves, may_wait && !s.corked && !s.no_delay && s.unacknowledged == 0, true);
        const bool again = G{config}.may_send(s);
        sheet.expect(gate_law::same_answer, leaves == again,
                     [&] { return text(s, leaves) + "; asked again, it " + (again ? "leaves" : "waits"); });
        sheet.note([&] { return text(s, leaves); });
    }
    static std::string text(const event& s, bool leaves)
    {
        return std::to_string(s.octets) + " octets of a full segment's " + std::to_string(s.smss) + ", " +
               std::to_string(s.unacknowledged) + " unacknowledged" +
               (s.last_small_unacknowledged ? ", a small segment among them" : "") + (s.no_delay ? ", no_delay" : "") +
               (s.corked ? ", corked" : "") + (s.fin_follows ? ", the stream ends with it" : "") +
               (leaves ? ": leaves" : ": waits");
    }
};

}  // namespace detail

template <send_gate G>
law_report check_gate_laws(const typename G::config& config = {}, const law_options& options = {})
{
    return check_laws(detail::gate_suite<G>{config}, options);
}

}  // namespace tcpco::testing
