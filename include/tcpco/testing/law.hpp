// Laws that a policy must keep, whoever wrote it: what a law is, how one is found broken, and the shortest sequence of
// events that shows it.
//
// A suite plays generated sequences of events ("scripts") on a policy and looks after each event whether the laws held.
// It needs no test framework: it returns a report.
//
//     const tcpco::testing::law_report report = tcpco::testing::check_congestion_laws<my_controller>();
//     REQUIRE(report.holds());              // or assert, or: std::cout << report.text()
//
// A script is a function of its seed. One that breaks a law is made shorter for as long as it still breaks that law, so
// that what is reported can be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tcpco/core/random.hpp"

namespace tcpco::testing {

// Two laws are the same if their names are.
struct law {
    std::string_view name;    // a sentence
    std::string_view source;  // where it comes from
    friend constexpr bool operator==(const law& a, const law& b) noexcept { return a.name == b.name; }
};

struct broken_law {
    law which{};
    std::string what;                 // what happened, what the policy made of it, and what the law wants
    std::uint64_t seed = 0;           // of the script it was found in
    std::vector<std::string> events;  // the shortest sequence found that breaks it; the last one does
};

struct law_options {
    std::uint64_t seed = 1;       // of the first script; each that follows has the next one
    std::uint32_t scripts = 200;  // how many; 200 find each mutant of the tests with much to spare
    std::uint32_t events = 120;   // in each
    std::vector<law> except{};    // not looked at: for a policy that differs on purpose
};

class law_report {
public:
    bool holds() const noexcept { return broken_.empty(); }
    const std::vector<broken_law>& broken() const noexcept { return broken_; }
    bool breaks(const law& l) const noexcept
    {
        return std::any_of(broken_.begin(), broken_.end(), [&](const broken_law& b) { return b.which == l; });
    }
    // How often it was looked at: a law that no script touched has not been shown.
    std::uint64_t checked(const law& l) const noexcept
    {
        const auto it = std::find_if(checked_.begin(), checked_.end(), [&](const auto& c) { return c.first == l; });
        return it == checked_.end() ? 0 : it->second;
    }

    // One paragraph for each broken law; empty when all hold.
    std::string text() const
    {
        std::string all;
        for (const broken_law& b : broken_) {
            all += "broken: " + std::string{b.which.name} + " (" + std::string{b.which.source} + ")\n  " + b.what +
                   "\n  found with {.seed = " + std::to_string(b.seed) + ", .scripts = 1}; of that script " +
                   std::to_string(b.events.size()) + " events show it, the last one breaks the law:\n";
            constexpr std::size_t first = 60;  // of a transfer that never ends all would be too much
            constexpr std::size_t last = 20;
            for (std::size_t i = 0; i < b.events.size(); ++i) {
                if (i == first && b.events.size() > first + last) {
                    i = b.events.size() - last;
                    all += "    ...\n";
                }
                all += "    " + b.events[i] + "\n";
            }
        }
        return all;
    }

    void count(const law& l, std::uint64_t times)
    {
        const auto it = std::find_if(checked_.begin(), checked_.end(), [&](const auto& c) { return c.first == l; });
        if (it == checked_.end()) {
            checked_.emplace_back(l, times);
        } else {
            it->second += times;
        }
    }
    void add(broken_law b) { broken_.push_back(std::move(b)); }

private:
    std::vector<broken_law> broken_;
    std::vector<std::pair<law, std::uint64_t>> checked_;
};

// What one run of a script showed: filled by the player of a suite.
class law_sheet {
public:
    struct failure {
        law which{};
        std::size_t at = 0;  // the event that broke it
        std::string what;
    };

    explicit law_sheet(bool traced = false) : traced_{traced} {}

    // `held` or not; `what` is called for the first failure of each law.
    template <class What>
    void expect(const law& l, bool held, What&& what)
    {
        ++tally(l);
        if (!held && find(l) == nullptr) {
            failures_.push_back({l, at_, what()});
        }
    }
    // The player is about to play event number `at`.
    void begin(std::size_t at) noexcept { at_ = at; }
    // What happened, in words; kept only where somebody will read it.
    template <class Text>
    void note(Text&& text)
    {
        if (traced_) {
            trace_.push_back(text());
        }
    }

    const failure* find(const law& l) const noexcept
    {
        const auto it =
            std::find_if(failures_.begin(), failures_.end(), [&](const failure& f) { return f.which == l; });
        return it == failures_.end() ? nullptr : &*it;
    }
    const std::vector<failure>& failures() const noexcept { return failures_; }
    const std::vector<std::pair<law, std::uint64_t>>& checked() const noexcept { return checked_; }
    const std::vector<std::string>& trace() const noexcept { return trace_; }

private:
    std::uint64_t& tally(const law& l)
    {
        const auto it = std::find_if(checked_.begin(), checked_.end(),
                                     [&](const auto& c) { return c.first.name.data() == l.name.data(); });
        return it != checked_.end() ? it->second : checked_.emplace_back(l, 0).second;
    }

    std::vector<failure> failures_;
    std::vector<std::pair<law, std::uint64_t>> checked_;
    std::vector<std::string> trace_;
    std::size_t at_ = 0;
    bool traced_;
};

namespace detail {

// The shortest script, made from this one by leaving events out, that still breaks the law: halves, quarters, ...
// single events are tried (Zeller's delta debugging).
template <class Event, class Breaks>
std::vector<Event> shortest(std::vector<Event> script, Breaks&& breaks)
{
    for (std::size_t piece = std::max<std::size_t>(script.size() / 2, 1);;) {
        bool shorter = false;
        for (std::size_t at = 0; at < script.size();) {
            std::vector<Event> fewer = script;
            const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
            fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(piece, fewer.size() - at)));
            if (breaks(fewer)) {
                script = std::move(fewer);
                shorter = true;
            } else {
                at += piece;
            }
        }
        if (piece == 1 && !shorter) {
            return script;
        }
        piece = std::max<std::size_t>(piece / 2, 1);
    }
}

}  // namespace detail

// Plays one script, and adds to the report what it showed. `Suite` has
//
//     using event;                                           one event of a script, trivially copyable
//     std::vector<event> script(random_source&, n) const     a script of about n events; the first one may be a setting
//     void play(const std::vector<event>&, law_sheet&) const any script, also one from which events were left out
template <class Suite>
void play_script(const Suite& suite, const std::vector<typename Suite::event>& script, std::uint64_t seed,
                 const law_options& options, law_report& report)
{
    using event = typename Suite::event;
    law_sheet sheet;
    suite.play(script, sheet);
    for (const auto& [which, times] : sheet.checked()) {
        report.count(which, times);
    }
    for (const law_sheet::failure& f : sheet.failures()) {
        const law& which = f.which;
        const bool excepted = std::find(options.except.begin(), options.except.end(), which) != options.except.end();
        if (excepted || report.breaks(which)) {
            continue;
        }
        std::vector<event> shown = script;
        shown.resize(std::min(shown.size(), f.at + 1));
        shown = detail::shortest(std::move(shown), [&](const std::vector<event>& fewer) {
            law_sheet again;
            suite.play(fewer, again);
            return again.find(which) != nullptr;
        });
        law_sheet traced{true};
        suite.play(shown, traced);
        const law_sheet::failure* found = traced.find(which);
        report.add({which, found != nullptr ? found->what : f.what, seed, traced.trace()});
    }
}

// Plays options.scripts scripts.
template <class Suite>
law_report check_laws(const Suite& suite, const law_options& options)
{
    law_report report;
    for (std::uint32_t i = 0; i < options.scripts; ++i) {
        const std::uint64_t seed = options.seed + i;
        random_source random{seed};
        play_script(suite, suite.script(random, options.events), seed, options, report);
    }
    return report;
}

}  // namespace tcpco::testing
