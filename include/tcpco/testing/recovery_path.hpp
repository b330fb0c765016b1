// The path and the receiver of the recovery suite: segments of one size, numbered from 0, each acknowledged when it
// arrives, with SACK and D-SACK where that was agreed on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tcpco/core/time.hpp"

namespace tcpco::testing {

struct path_event {
    enum class kind : std::uint8_t {
        setting,   // a: segments of the transfer, b: window in segments, flag: SACK
        lose,      // a: which transmission, counted from 0
        lose_ack,  // a: which ACK
        delay,     // a: which transmission, b: by how many ms
        repeat,    // a: which transmission arrives twice
        silence    // a: from which transmission on the next b of them are lost
    };
    kind what = kind::lose;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    bool flag = false;
};

// What a list of mishaps comes to.
struct transfer_plan {
    path_event setting{.what = path_event::kind::setting, .a = 20, .b = 10, .flag = true};
    std::uint32_t mishaps = 0;
    std::uint32_t first_loss = 1'000'000;
    bool only_data = true;  // nothing but data was lost

    transfer_plan() = default;
    explicit transfer_plan(const std::vector<path_event>& script)
    {
        for (const path_event& e : script) {
            const bool is_setting = e.what == path_event::kind::setting;
            setting = is_setting ? e : setting;
            mishaps += is_setting ? 0 : e.what == path_event::kind::silence ? e.b : 1;
            only_data = only_data && (is_setting || e.what == path_event::kind::lose);
            first_loss = e.what == path_event::kind::lose ? std::min(first_loss, e.a) : first_loss;
        }
    }
};

struct path_ack {
    std::uint32_t next = 0;                                      // the first segment that is missing
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sacks;  // [first, last), the newest first
    bool dsack = false;                                          // the first of them reports a duplicate

    std::string blocks() const
    {
        std::string all;
        for (const auto& [first, last] : sacks) {
            all += (all.empty() ? (dsack ? ", DSACK " : ", SACK ") : " and ") + std::to_string(first) + " to " +
                   std::to_string(last);
        }
        return all;
    }
};

class recovery_path {
public:
    static constexpr duration one_way{50'000'000};

    void set(const std::vector<path_event>& mishaps, std::uint32_t segments, bool sack)
    {
        mishaps_ = &mishaps;
        got_.assign(segments, false);
        sack_ = sack;
    }

    // A segment leaves; it may arrive.
    void send(time_point now, std::uint32_t segment)
    {
        const std::uint32_t number = transmissions_++;
        duration late{};
        bool lost = false;
        bool twice = false;
        for (const path_event& e : *mishaps_) {
            const bool this_one = e.a == number;
            lost = lost || (e.what == path_event::kind::lose && this_one) ||
                   (e.what == path_event::kind::silence && number >= e.a && number - e.a < e.b);
            late +=
                e.what == path_event::kind::delay && this_one ? duration{e.b * std::int64_t{1'000'000}} : duration{};
            twice = twice || (e.what == path_event::kind::repeat && this_one);
        }
        if (!lost) {
            arrivals_.emplace(now + one_way + late, segment);
            if (twice) {
                arrivals_.emplace(now + one_way + late + duration{1'000'000}, segment);
            }
        }
    }

    time_point next() const noexcept
    {
        return std::min(arrivals_.empty() ? time_point::never() : arrivals_.begin()->first,
                        acks_.empty() ? time_point::never() : acks_.begin()->first);
    }

    // What is due at `now`: segments reach the receiver, ACKs come out.
    std::vector<path_ack> take(time_point now)
    {
        while (!arrivals_.empty() && arrivals_.begin()->first <= now) {
            arrive(arrivals_.begin()->first, arrivals_.begin()->second);
            arrivals_.erase(arrivals_.begin());
        }
        std::vector<path_ack> due;
        while (!acks_.empty() && acks_.begin()->first <= now) {
            due.push_back(std::move(acks_.begin()->second));
            acks_.erase(acks_.begin());
        }
        return due;
    }

    std::uint32_t transmissions() const noexcept { return transmissions_; }

private:
    void arrive(time_point at, std::uint32_t segment)
    {
        path_ack a;
        const bool again = got_[segment];
        got_[segment] = true;
        while (missing_ < got_.size() && got_[missing_]) {
            ++missing_;
        }
        a.next = missing_;
        if (sack_) {
            if (again) {
                a.dsack = true;
                a.sacks.emplace_back(segment, segment + 1);
            } else if (segment > missing_) {
                a.sacks.push_back(run_around(segment));
            }
            for (std::uint32_t i = missing_; i < got_.size() && a.sacks.size() < 4; ++i) {
                if (got_[i]) {
                    const auto run = run_around(i);
                    if (std::find(a.sacks.begin(), a.sacks.end(), run) == a.sacks.end()) {
                        a.sacks.push_back(run);
                    }
                    i = run.second;
                }
            }
        }
        const std::uint32_t number = acknowledgements_++;
        const bool lost = std::any_of(mishaps_->begin(), mishaps_->end(), [&](const path_event& e) {
            return e.what == path_event::kind::lose_ack && e.a == number;
        });
        if (!lost) {
            acks_.emplace(at + one_way, std::move(a));
        }
    }
    std::pair<std::uint32_t, std::uint32_t> run_around(std::uint32_t segment) const
    {
        std::uint32_t first = segment;
        std::uint32_t last = segment;
        while (first > missing_ && got_[first - 1]) {
            --first;
        }
        while (last < got_.size() && got_[last]) {
            ++last;
        }
        return {first, last};
    }

    const std::vector<path_event>* mishaps_ = nullptr;
    std::vector<bool> got_;
    std::uint32_t missing_ = 0;
    std::multimap<time_point, std::uint32_t> arrivals_;
    std::multimap<time_point, path_ack> acks_;
    std::uint32_t transmissions_ = 0;
    std::uint32_t acknowledgements_ = 0;
    bool sack_ = false;
};

}  // namespace tcpco::testing
