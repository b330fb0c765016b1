// A scoreboard that is a vector, for tests of loss recoveries: slow, obvious, and with a split(). Segments are named by
// their number; number n covers octets [1 + n * smss, 1 + (n + 1) * smss).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tcpco/policy/concepts.hpp"

namespace fake {

using namespace tcpco;

class board {
public:
    using index = std::size_t;
    static constexpr index npos = static_cast<index>(-1);

    // --- what the policies see ---
    index first_unacked() const { return records_.empty() ? npos : 0; }
    index next(index i) const { return i + 1 < records_.size() ? i + 1 : npos; }
    index oldest_sent() const { return later_than(time_point::min(), stream_offset{-1}); }
    index next_sent(index i) const { return later_than(records_[i].sent_at, records_[i].last); }
    index first_lost() const
    {
        return where([](const transmission& t) { return t.lost; });
    }
    index find(stream_offset o) const
    {
        return where([o](const transmission& t) { return t.first <= o && o < t.last; });
    }
    const transmission& operator[](index i) const { return records_[i]; }
    stream_offset una() const { return una_; }
    stream_offset nxt() const { return nxt_; }
    octet_count in_flight() const
    {
        return std::max<octet_count>(
            sum([](const transmission& t) { return !t.sacked && !t.lost; }) - emulated_, 0);
    }
    octet_count sacked() const
    {
        return sum([](const transmission& t) { return t.sacked; });
    }
    std::uint32_t segments_sacked() const
    {
        std::uint32_t segments = 0;
        for (const transmission& t : records_) {
            segments += t.sacked ? t.wire_segments : 0U;
        }
        return segments;
    }
    octet_count lost() const
    {
        return sum([](const transmission& t) { return t.lost; });
    }
    octet_count retransmitted() const
    {
        return sum([](const transmission& t) { return t.transmissions > 1 && !t.sacked && !t.lost; });
    }
    stream_offset highest_sacked() const
    {
        stream_offset highest = una_;
        for (const transmission& t : records_) {
            highest = t.sacked ? std::max(highest, t.last) : highest;
        }
        return highest;
    }
    void mark_lost(index i) { records_[i].lost = !records_[i].sacked; }
    void mark_all_lost()
    {
        for (transmission& t : records_) {
            t.lost = !t.sacked;
        }
        emulated_ = 0;
    }
    void clear_marks()
    {
        for (transmission& t : records_) {
            t.lost = false;
        }
    }
    index past_run(index i) const
    {
        while (i < records_.size() && records_[i].sacked) {
            ++i;
        }
        return i < records_.size() ? i : npos;
    }
    index highest_unsacked() const
    {
        const auto i = std::find_if(records_.rbegin(), records_.rend(), [](const transmission& t) { return !t.sacked; });
        return i == records_.rend() ? npos : static_cast<index>(records_.rend() - i) - 1;
    }
    std::uint32_t sacked_ranges() const { return ranges_from(una_); }
    stream_offset line() const { return std::max(line_, una_); }
    std::uint32_t ranges_beyond() const { return ranges_from(line()); }
    octet_count sacked_beyond() const
    {
        return sum([this](const transmission& t) { return t.sacked && t.first >= line(); });
    }
    void reset_line() { line_ = una_; }
    index move_line(index i)
    {
        const index after = records_[i].sacked ? past_run(i) : next(i);
        line_ = after == npos ? nxt_ : records_[after].first;
        return after;
    }
    void split(stream_offset at)
    {
        const index i = find(at);
        if (i == npos || records_[i].first == at) {
            return;
        }
        transmission right = records_[i];
        right.first = at;
        records_[i].last = at;
        records_.insert(records_.begin() + static_cast<std::ptrdiff_t>(i) + 1, right);
    }

    // --- what the mechanism does ---
    const transmission& send(octet_count octets, time_point now)
    {
        records_.push_back({.first = nxt_, .last = nxt_ + octets, .sent_at = now});
        nxt_ += octets;
        return records_.back();
    }
    const transmission& resend(offset_range range, time_point now)
    {
        split(range.first);
        split(range.last);
        transmission& t = records_[find(range.first)];
        t.sent_at = now;
        t.lost = false;
        t.ever_retransmitted = true;
        ++t.transmissions;
        return t;
    }
    void acknowledge(stream_offset una)
    {
        if (una <= una_) {
            return;
        }
        split(una);
        std::erase_if(records_, [una](const transmission& t) { return t.last <= una; });
        una_ = una;
        emulated_ = 0;
    }
    void sack(offset_range range)
    {
        split(range.first);
        split(range.last);
        for (transmission& t : records_) {
            if (range.first <= t.first && t.last <= range.last) {
                t.sacked = true;
                t.lost = false;
            }
        }
    }
    void emulate(octet_count octets) { emulated_ += octets; }

private:
    template <class F>
    index where(F f) const
    {
        const auto i = std::find_if(records_.begin(), records_.end(), f);
        return i == records_.end() ? npos : static_cast<index>(i - records_.begin());
    }
    template <class F>
    octet_count sum(F f) const
    {
        octet_count octets = 0;
        for (const transmission& t : records_) {
            octets += f(t) ? t.octets() : 0;
        }
        return octets;
    }
    std::uint32_t ranges_from(stream_offset from) const
    {
        std::uint32_t ranges = 0;
        bool inside = false;
        for (const transmission& t : records_) {
            if (t.first >= from) {
                ranges += t.sacked && !inside ? 1U : 0U;
                inside = t.sacked;
            }
        }
        return ranges;
    }
    // The earliest in flight that was sent after (at, end).
    index later_than(time_point at, stream_offset end) const
    {
        const auto after = [](const transmission& t, time_point when, stream_offset last) {
            return t.sent_at > when || (t.sent_at == when && t.last > last);
        };
        index best = npos;
        for (index i = 0; i < records_.size(); ++i) {
            const transmission& t = records_[i];
            if (!t.sacked && !t.lost && after(t, at, end) &&
                (best == npos || after(records_[best], t.sent_at, t.last))) {
                best = i;
            }
        }
        return best;
    }

    std::vector<transmission> records_;
    stream_offset una_{1};
    stream_offset nxt_{1};
    stream_offset line_{};
    octet_count emulated_ = 0;
};

static_assert(loss_board<board>);

inline constexpr octet_count smss = 1000;

constexpr stream_offset at(std::int64_t segment) { return stream_offset{1 + segment * smss}; }
constexpr offset_range segments(std::int64_t from, std::int64_t to) { return {at(from), at(to)}; }

// A sender with the board and one recovery policy: it says in one line what happened, and asks the policy.
template <class Recovery>
class sender {
public:
    static_assert(loss_recovery_over<Recovery, board>);

    bool has_sack = false;
    time_point now{1'000'000'000};
    duration rtt = duration{100'000'000};
    duration rto = duration{1'000'000'000};
    time_point rto_at = time_point::never();
    time_point echoed = time_point::never();  // by the ACKs that follow
    Recovery recovery;
    board records;

    sender() = default;
    explicit sender(const typename Recovery::config& c) : recovery{c} {}

    path_timing timing() const
    {
        return {.now = now,
                .srtt = rtt,
                .min_rtt = rtt,
                .rto = rto,
                .rto_at = rto_at,
                .in_flight = records.in_flight(),
                .smss = smss,
                .echoed = echoed};
    }
    void wait(duration d) { now += d; }
    void send(int count = 1)
    {
        for (int i = 0; i < count; ++i) {
            records.send(smss, now);
            recovery.on_transmit(records[records.find(records.nxt() - 1)], timing());
        }
    }
    send_decision next() { return recovery.next(records, octet_count{1} << 30); }
    // Sends what next() asks for; whether it was a retransmission.
    bool resend()
    {
        const send_decision d = next();
        if (d.action == send_action::retransmit) {
            resend(d.range);
        }
        return d.action == send_action::retransmit;
    }
    void resend(offset_range range)
    {
        records.resend(range, now);
        recovery.on_transmit(records[records.find(range.first)], timing());
    }
    verdict_kind duplicate()
    {
        records.emulate(has_sack ? 0 : smss);
        return tell({.duplicate = true}, {});
    }
    verdict_kind ack(std::int64_t segment)
    {
        const stream_offset una = at(segment);
        const octet_count acked = una - records.una();
        deliver(records.una(), una);
        records.acknowledge(una);
        return tell({.acked = acked, .delivered = acked}, {});
    }
    verdict_kind sack(std::int64_t from, std::int64_t to, sack_info s = {})
    {
        deliver(at(from), at(to));
        const octet_count before = records.sacked();
        records.sack(segments(from, to));
        s.newly_sacked = records.sacked() - before;
        s.has_blocks = true;
        return tell({.newly_sacked = s.newly_sacked, .delivered = s.newly_sacked, .duplicate = true}, s);
    }
    verdict_kind tell(ack_info a, sack_info s)
    {
        a.now = now;
        a.una = records.una();
        a.nxt = records.nxt();
        a.smss = smss;
        a.in_flight = records.in_flight();
        a.latest_rtt = a.delivered > 0 ? rtt : duration{};
        s.sack_permitted = has_sack;
        return recovery.on_ack(a, s, timing(), records).kind;
    }
    verdict_kind timer(retransmission_timer kind) { return recovery.on_timer(kind, timing(), records).kind; }

private:
    void deliver([[maybe_unused]] stream_offset from, [[maybe_unused]] stream_offset to)
    {
        if constexpr (told_of_deliveries<Recovery>) {
            for (auto i = records.first_unacked(); i != board::npos; i = records.next(i)) {
                if (!records[i].sacked && from <= records[i].first && records[i].last <= to) {
                    recovery.on_delivered(records[i], timing());
                }
            }
        }
    }
};

}  // namespace fake
