// What every ACK policy owes to the peer: check_ack_laws<A>() lets segments arrive, in order and not, and returns which
// of these laws it broke.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace ack_law {

inline constexpr law second_segment{"every second full-sized segment is acknowledged", "RFC 9293 3.8.6.3, SHLD-19"};
inline constexpr law half_a_second{"no ACK is later than half a second", "RFC 9293 3.8.6.3, MUST-40"};
inline constexpr law out_of_order{"what is out of order is acknowledged at once", "RFC 5681 4.2"};
inline constexpr law filled_hole{"what fills a hole is acknowledged at once", "RFC 5681 4.2"};
inline constexpr law duplicate{"what came already is acknowledged at once", "RFC 9293 3.10.7.4"};
inline constexpr law changed_mark{"a change of the CE mark is reported at once", "RFC 8257 3.2"};
inline constexpr law no_silly_window{"no update of a window that is silly", "RFC 9293 3.8.6.2.2, MUST-39"};
inline constexpr law closed_window_opens{"a closed window that opens is reported", "RFC 9293 3.8.6.2.2"};
inline constexpr law narrow_window_opens{"a window too small for a segment is reported once it is worth it",
                                         "RFC 9293 3.8.6.2.2"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated"};

}  // namespace ack_law

struct ack_law_options : law_options {
    std::uint32_t every = 2;  // full-sized segments to an ACK: more is a stretch ACK (RFC 5681 4.2)
};

namespace detail {

struct ack_event {
    enum class kind : std::uint8_t {
        full,
        small,
        super,
        out_of_order,
        fills_hole,
        duplicate,
        ce,
        read,
        sent,
        ack_sent,
        peer
    };
    kind what = kind::full;
    std::uint32_t milliseconds = 0;  // since the event before
    std::uint32_t a = 0;             // octets, wire segments, or growth, in a thousand of what there can be
    std::uint32_t b = 0;             // of a read: what is still offered, in a thousand of the capacity; of a peer:
                                     // the largest segment that it sends
};

template <ack_policy A>
class ack_player {
public:
    ack_player(const typename A::config& config, const ack_law_options& options, law_sheet& sheet)
        : policy_{config}, twin_{config}, options_{options}, sheet_{sheet}
    {
    }

    void play(const std::vector<ack_event>& script)
    {
        for (std::size_t i = 0; i < script.size(); ++i) {
            sheet_.begin(i);
            now_ += duration{script[i].milliseconds * std::int64_t{1'000'000}};
            play(script[i]);
            sheet_.note([&] { return "after " + std::to_string(script[i].milliseconds) + " ms " + said_; });
            if (i == script.size() / 2) {
                twin_ = policy_;
            }
        }
    }

private:
    using kind = ack_event::kind;
    using when = ack_decision::when;
    static constexpr octet_count capacity = 65'536;

    void play(const ack_event& e)
    {
        switch (e.what) {
        case kind::read: read(e); return;
        case kind::sent:
            said_ = "data was sent";
            policy_.on_data_sent();
            twin_.on_data_sent();
            return;
        case kind::ack_sent: acknowledge(); return;
        case kind::peer:
            rmss_ = std::max<octet_count>(e.b, 1);
            said_ = "another peer, whose full segments have " + std::to_string(rmss_) + " octets";
            unacked_ = 0;
            policy_.on_ack_sent();
            twin_.on_ack_sent();
            return;
        default: arrive(e); return;
        }
    }

    void arrive(const ack_event& e)
    {
        received_segment s{.now = now_, .rmss = rmss_, .srtt = duration{20'000'000}};
        s.octets = e.what == kind::small ? 1 + e.a % std::max<octet_count>(rmss_ / 2, 1) : rmss_;
        if (e.what == kind::super) {
            s.wire_segments = 2 + e.a % 40;
            s.octets = s.wire_segments * rmss_;
        }
        s.in_order = e.what != kind::out_of_order;
        s.fills_hole = e.what == kind::fills_hole;
        s.duplicate = e.what == kind::duplicate;
        s.ce_changed = e.what == kind::ce;
        if (e.what != kind::out_of_order && e.what != kind::duplicate) {
            unacked_ += s.octets;
        }
        s.unacked_octets = unacked_;
        const ack_decision d = policy_.on_segment(s);
        const ack_decision other = twin_.on_segment(s);
        constexpr std::array names{"a full segment",
                                   "a small segment",
                                   "a super-frame",
                                   "a segment behind a hole",
                                   "a segment that fills a hole",
                                   "a segment that came already",
                                   "a segment whose mark differs"};
        said_ = std::string{names[static_cast<std::size_t>(e.what)]} + " came, " + std::to_string(unacked_) +
                " octets unacknowledged: " + text(d);
        expect(ack_law::same_state, d.at == other.at && d.delay == other.delay);
        judge(e.what, s, d);
        if (d.at != when::within || e.what == kind::out_of_order) {
            acknowledge_silently();
        }
    }

    void judge(kind what, const received_segment& s, const ack_decision& d)
    {
        const bool at_once = d.at == when::now;
        if (what == kind::out_of_order) {
            expect(ack_law::out_of_order, at_once);
        } else if (what == kind::fills_hole) {
            expect(ack_law::filled_hole, at_once);
        } else if (what == kind::duplicate) {
            expect(ack_law::duplicate, at_once);
        } else if (what == kind::ce) {
            expect(ack_law::changed_mark, at_once);
        } else if (s.unacked_octets >= options_.every * rmss_) {
            expect(ack_law::second_segment, d.at != when::within);
        }
        if (d.at == when::within) {
            expect(ack_law::half_a_second, d.delay >= duration::zero() && d.delay < duration{500'000'000});
        }
    }

    void read(const ack_event& e)
    {
        const octet_count growth = std::max<octet_count>(capacity * e.a / 1'000, 1);
        const octet_count advertised = std::min(capacity * e.b / 1'000, capacity - growth);
        const window_growth w{.growth = growth, .advertised = advertised, .capacity = capacity, .rmss = rmss_};
        const bool update = policy_.on_read(w);
        said_ = "the reader took " + std::to_string(growth) + " octets, " + std::to_string(advertised) +
                " were still offered: " + (update ? "a window update" : "none");
        expect(ack_law::same_state, update == twin_.on_read(w));
        const octet_count worth = std::min(capacity / 2, rmss_);
        if (growth < worth) {
            expect(ack_law::no_silly_window, !update);
        } else if (advertised == 0) {
            expect(ack_law::closed_window_opens, update);
        } else if (advertised < rmss_) {  // the peer keeps what is not full (3.8.6.2.1)
            expect(ack_law::narrow_window_opens, update);
        }
        if (update) {
            acknowledge_silently();
        }
    }

    void acknowledge()
    {
        said_ = "an ACK was sent";
        acknowledge_silently();
    }
    void acknowledge_silently()
    {
        unacked_ = 0;
        policy_.on_ack_sent();
        twin_.on_ack_sent();
    }

    void expect(const law& l, bool held)
    {
        sheet_.expect(l, held, [&] { return said_; });
    }
    static std::string text(const ack_decision& d)
    {
        return d.at == when::now            ? std::string{"acknowledge now"}
               : d.at == when::end_of_batch ? std::string{"acknowledge at the end of the batch"}
                                            : "acknowledge within " + std::to_string(d.delay.milliseconds()) + " ms";
    }

    A policy_;
    A twin_;  // is told the same
    const ack_law_options& options_;
    law_sheet& sheet_;
    std::string said_;
    time_point now_{1'000'000'000};
    octet_count rmss_ = 1'448;
    octet_count unacked_ = 0;
};

template <ack_policy A>
struct ack_suite {
    using event = ack_event;
    const typename A::config& config;
    const ack_law_options& options;

    std::vector<event> script(random_source& random, std::uint32_t count) const
    {
        constexpr std::array rest{event::kind::super,     event::kind::out_of_order, event::kind::fills_hole,
                                  event::kind::duplicate, event::kind::ce,           event::kind::read,
                                  event::kind::read,      event::kind::sent,         event::kind::ack_sent};
        std::vector<event> made;
        while (made.size() < count) {
            const std::uint32_t draw = random.below(10);
            event e{.what = draw < 4   ? event::kind::full
                            : draw < 6 ? event::kind::small
                                       : rest[random.below(rest.size())]};
            e.milliseconds = random.below(8) == 0 ? random.below(3'000) : random.below(20);
            e.a = random.below(3) == 0 ? random.below(1'000) : random.below(60);
            e.b = random.below(2) == 0 ? 0 : random.below(random.below(3) == 0 ? 20 : 1'000);
            if (made.empty() && random.below(3) == 0) {
                constexpr std::array<std::uint32_t, 4> sizes{1, 536, 1'220, 8'948};
                e = {.what = event::kind::peer, .b = sizes[random.below(4)]};
            }
            made.push_back(e);
        }
        return made;
    }
    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        ack_player<A> player{config, options, sheet};
        player.play(script);
    }
};

}  // namespace detail

template <ack_policy A>
law_report check_ack_laws(const typename A::config& config = {}, const ack_law_options& options = {})
{
    return check_laws(detail::ack_suite<A>{config, options}, options);
}

}  // namespace tcpco::testing
