// What every loss recovery owes: check_recovery_laws<R>() sends transfers over a path that loses, repeats and delays,
// and returns which of these laws R broke.
//
// First every single and every double loss in a short transfer, with and without SACK; then mishaps by chance. The
// counter-example is the shortest list of mishaps, followed by all that happened on the way.
#pragma once

#include <cstdint>
#include <vector>

#include "tcpco/testing/recovery_player.hpp"

namespace tcpco::testing {

namespace detail {

template <class R>
struct recovery_suite {
    using event = path_event;
    const typename R::config& config;

    std::vector<event> script(random_source& random, std::uint32_t) const
    {
        using kind = path_event::kind;
        std::vector<event> made{{.what = kind::setting,
                                 .a = 10 + random.below(40),
                                 .b = 2 + random.below(20),
                                 .flag = random.below(3) > 0}};
        for (std::uint32_t left = random.below(7); left > 0; --left) {
            constexpr kind kinds[] = {kind::lose,  kind::lose,   kind::lose,   kind::lose_ack,
                                      kind::delay, kind::repeat, kind::silence};
            event e{.what = kinds[random.below(7)], .a = random.below(made.front().a + 8)};
            e.b = e.what == kind::silence ? 1 + random.below(random.below(2) == 0 ? 10 : 60) : 1 + random.below(90);
            made.push_back(e);
        }
        return made;
    }
    void play(const std::vector<event>& script, law_sheet& sheet) const
    {
        recovery_player<R> player{config, sheet};
        player.play(script);
        law_sheet unread;
        recovery_player<R> again{config, unread};
        again.play(script);
        sheet.expect(recovery_law::same_state, player.summary() == again.summary(),
                     [&] { return "once it took " + player.summary() + ", then " + again.summary(); });
    }
};

}  // namespace detail

template <class R>
    requires loss_recovery_over<R, watched_board> law_report check_recovery_laws(const typename R::config& config = {},
                                                                                 const law_options& options = {})
    {
        using kind = path_event::kind;
        constexpr std::uint32_t segments = 14;
        const detail::recovery_suite<R> suite{config};
        law_report report = check_laws(suite, options);
        for (const bool sack : {false, true}) {
            const path_event setting{.what = kind::setting, .a = segments, .b = 10, .flag = sack};
            play_script(suite, {setting}, options.seed, options, report);
            for (std::uint32_t first = 0; first < segments; ++first) {
                play_script(suite, {setting, {.what = kind::lose, .a = first}}, options.seed, options, report);
                play_script(suite, {setting, {.what = kind::lose_ack, .a = first}}, options.seed, options, report);
                for (std::uint32_t second = first + 1; second < segments + 4; ++second) {
                    play_script(suite, {setting, {.what = kind::lose, .a = first}, {.what = kind::lose, .a = second}},
                                options.seed, options, report);
                }
            }
        }
        return report;
    }

}  // namespace tcpco::testing
