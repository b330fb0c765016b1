// The scoreboard: what is in flight, what of it arrived, what is presumed lost (RFC 6675 section 3, RFC 8985, RFC
// 2018).
//
// One `transmission` record for each range that was sent as a unit, contiguous from snd.una to snd.nxt. A record is in
// one of three states: in flight, SACKed (a selective acknowledgement covers it), or lost (presumed lost and not sent
// again since). Sending it again puts it back in flight. The counters are O(1):
//
//     in_flight()      octets in flight: RFC 6675's pipe, less what duplicate ACKs stand for (emulate_sack); of what
//                      was sent again before it was found lost, the last copy alone (recovery::sack counts the other)
//     sacked(), lost() octets SACKed; octets presumed lost
//     segments_sacked() wire segments SACKed
//     sacked_ranges()  runs of neighbouring records that are SACKed
//     retransmitted()  octets in flight whose latest transmission was not the first
//
// An acknowledgement costs O(log n) for each block and O(1) for each record that it newly covers: SACKed records are
// skipped by runs, so a block that covers ten thousand of them again costs no more than one. SACK blocks may cut a
// record at any octet, as long as the records do not become more than the octets in flight justify (`fragment_octets`);
// beyond that, and where memory is refused, a block counts only for the records that it covers whole.
//
// For rules that judge a record by what is SACKed above it (IsLost of RFC 6675) there is a line in sequence order which
// a policy moves upwards: sacked_beyond() and ranges_beyond() count what is SACKed from there on, in O(1).
//
// The members up to "policies" belong to tcp/; policies get the board as concept `loss_board`: they look and mark. An
// index stays valid until the mechanism's next call; references to records likewise. Not here: detecting loss, choosing
// what to send (policy/recovery), D-SACK.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/events.hpp"
#include "tcpco/tcp/transmission_slab.hpp"

namespace tcpco {

// What one ACK delivered; add up the results of its cumulative part and of its SACK blocks.
struct ack_result {
    // What of a record names it: to copy all of it for each record would cost more than the rest of an ACK.
    struct summary {
        stream_offset first{};
        stream_offset last{};
        time_point sent_at{};
        std::uint16_t transmissions = 0;
    };

    octet_count acked = 0;             // newly acknowledged cumulatively
    octet_count newly_sacked = 0;      // newly covered by SACK blocks
    octet_count newly_delivered = 0;   // either, each octet once; without those that duplicate ACKs already stood for
    std::uint32_t segments = 0;        // wire segments of the records newly delivered
    bool any_retransmitted = false;    // among them one that was ever retransmitted
    bool has_rtt = false;              // among them one that never was (Karn) ...
    time_point rtt_sent_at{};          // ... and the most recent of those left then
    bool has_newest = false;           // anything newly delivered?
    summary newest{};                  // the most recently sent of it (RFC 8985 section 6.2 step 2)

    // `a` was sent after `b`; ties go to the higher sequence (RFC 8985 RACK_sent_after).
    template <class A>
    static constexpr bool sent_after(const A& a, const summary& b) noexcept
    {
        return a.sent_at > b.sent_at || (a.sent_at == b.sent_at && a.last > b.last);
    }

    constexpr void add_delivered(const transmission& t) noexcept
    {
        newly_delivered += t.octets();
        segments += t.wire_segments;
        any_retransmitted = any_retransmitted || t.ever_retransmitted;
        if (!t.ever_retransmitted) {
            rtt_sent_at = has_rtt ? std::max(rtt_sent_at, t.sent_at) : t.sent_at;
            has_rtt = true;
        }
        if (!has_newest || sent_after(t, newest)) {
            newest = {t.first, t.last, t.sent_at, t.transmissions};
        }
        has_newest = true;
    }

    constexpr ack_result& operator+=(const ack_result& other) noexcept
    {
        acked += other.acked;
        newly_sacked += other.newly_sacked;
        newly_delivered += other.newly_delivered;
        segments += other.segments;
        any_retransmitted = any_retransmitted || other.any_retransmitted;
        if (other.has_rtt) {
            rtt_sent_at = has_rtt ? std::max(rtt_sent_at, other.rtt_sent_at) : other.rtt_sent_at;
            has_rtt = true;
        }
        if (other.has_newest && (!has_newest || sent_after(other.newest, newest))) {
            newest = other.newest;
            has_newest = true;
        }
        return *this;
    }
};

class scoreboard {
public:
    using index = detail::record_index;
    static constexpr index npos = detail::no_record;

    // SACK blocks may cut records while there are fewer than `free_fragments` plus one for every so many octets in
    // flight: a receiver that SACKs every other octet must not cost a record an octet (the SACK panic of 2019).
    static constexpr octet_count fragment_octets = 512;
    static constexpr index free_fragments = 64;
    // Likewise of each record as it was sent, by these and one for so many octets: a look-up walks over its pieces.
    static constexpr index free_pieces = 16;

    // Left over by everything else, so that a piece of the first record can always be sent again.
    static constexpr index retransmission_room = 2;

    scoreboard() = default;
    scoreboard(const scoreboard&) = default;  // deep; allocates
    scoreboard(scoreboard&& other) noexcept
        : slab_{std::move(other.slab_)}, state_{std::exchange(other.state_, state{})}
    {
    }
    scoreboard& operator=(scoreboard other) noexcept
    {
        slab_ = std::move(other.slab_);
        state_ = other.state_;
        return *this;
    }
    ~scoreboard() = default;

    // --- mechanism ---------------------------------------------------------------------------------------------------

    // Nothing in flight, and una == nxt. Keeps the memory.
    void start(stream_offset una) noexcept
    {
        slab_.clear();
        state_ = state{};
        state_.una = state_.nxt = una;
    }

    // Gives the memory back; does nothing while there are records.
    void release() noexcept
    {
        if (records() == 0) {
            slab_.release();
        }
    }

    // At most this many records; what would need more is refused.
    void limit_records(index limit) noexcept { slab_.set_limit(limit); }

    // [first, last) was sent for the first time; first == nxt(). `stamp` as it is with this segment in flight. False:
    // no memory, and nothing changed. To be able to refuse before sending, ask may_transmit_new().
    bool on_transmit_new(stream_offset first, stream_offset last, time_point now, std::uint32_t wire_segments,
                         const delivery_stamp& stamp) noexcept
    {
        delivery_stamp* const place = transmit_new(first, last, now, wire_segments);
        if (place != nullptr) {
            *place = stamp;
        }
        return place != nullptr;
    }
    // The same, and the stamp is the caller's to write. Null: no memory.
    delivery_stamp* transmit_new(stream_offset first, stream_offset last, time_point now,
                                 std::uint32_t wire_segments) noexcept;
    bool may_transmit_new() noexcept { return slab_.reserve(1 + retransmission_room); }

    // `octets` more, in as many segments, left right behind the newest record and at its time: they are part of it, as
    // if a device had cut them from one super-frame. That record is in flight, and was sent once.
    void extend_newest(octet_count octets, std::uint32_t wire_segments) noexcept;

    // [first, last), inside [una, nxt), was sent again, in `wire_segments` segments. False: as above; never for a range
    // that ends where records end.
    bool on_retransmit(stream_offset first, stream_offset last, time_point now, const delivery_stamp& stamp,
                       std::uint32_t wire_segments = 1) noexcept;

    // Everything below `una` was acknowledged. Calls on_delivered(const transmission&, bool was_sacked) for each record
    // and for the acknowledged part of one that is covered in part, in sequence order, before they go; it must not call
    // the board. An `una` that is not above una() changes nothing.
    template <class OnDelivered>
    ack_result on_cumulative_ack(stream_offset una, OnDelivered&& on_delivered);

    // Nothing is SACKed, lost, sent again, or stood for by duplicate ACKs: all records are in flight, in one order of
    // sequence and of time.
    bool is_plain() const noexcept
    {
        return (state_.sacked | state_.lost | state_.retransmitted | state_.emulated) == 0;
    }

    // The short way of on_cumulative_ack() while is_plain(), for `una` in (una(), nxt()]: on_delivered(const
    // transmission&) likewise. Returns how many octets were acknowledged.
    template <class OnDelivered>
    octet_count on_plain_ack(stream_offset una, OnDelivered&& on_delivered);

    // As a copy, into the memory that is here. False: that is too little, and nothing changed.
    bool assign_within(const scoreboard& other) noexcept
    {
        if (!slab_.assign_within(other.slab_)) {
            return false;
        }
        state_ = other.state_;
        return true;
    }
    // Memory for as much as `other` has, as long as that is not much.
    void make_room_for(const scoreboard& other) noexcept { slab_.make_room_for(other.slab_); }

    // One SACK block; what lies outside [una, nxt) is ignored. Calls on_delivered for what was not SACKed before.
    template <class OnDelivered>
    ack_result on_sack(offset_range block, OnDelivered&& on_delivered);

    // Without SACK a duplicate ACK says that some segment left the network: `n` octets no longer count as in flight
    // (RFC 5681 section 3.2 and RFC 6582 inflate cwnd instead). Returns how much of it counts as newly delivered. When
    // una advances, what the duplicate ACKs stood for is found out and taken off again. So cwnd is left alone when they
    // release a new segment each, before recovery and in it, and no more of them count than are in flight.
    // RFC3042-2a, 2b, RFC5681-3.2d, 3.2e, 3.2h, 3.2i, 3.2j, 3.2k, RFC6582-3.2e
    octet_count emulate_sack(octet_count n) noexcept
    {
        const octet_count counted = std::clamp<octet_count>(n, 0, in_flight());
        state_.emulated += counted;
        return counted;
    }
    void clear_emulation() noexcept { state_.emulated = 0; }
    octet_count emulated() const noexcept { return state_.emulated; }

    // The receiver took SACKed data back (RFC 2018 section 8): forget all SACK marks; the records are in flight again.
    // False: there were none.
    bool renege() noexcept;

    // Octets marked lost since the last call; `f(const transmission&)` for each record of them that still is lost. Call
    // it whenever a policy may have marked.
    template <class F>
    octet_count take_newly_lost(F&& f);
    octet_count take_newly_lost() noexcept { return take_newly_lost([](const transmission&) noexcept {}); }

    index records() const noexcept { return slab_.size(); }
    octet_count flight_size() const noexcept { return state_.nxt - state_.una; }  // RFC 5681's FlightSize
    // Wire segments of what is in flight; in proportion, where duplicate ACKs stand for a part of it.
    std::uint32_t segments_in_flight() const noexcept
    {
        return state_.emulated == 0 ? state_.segments
                                    : static_cast<std::uint32_t>(in_flight() * state_.segments /
                                                                 std::max<octet_count>(state_.in_flight, 1));
    }

    // Walks everything; for tests and assert builds.
    void check_invariants() const noexcept;

    // --- policies (concept loss_board) -------------------------------------------------------------------------------

    const transmission& operator[](index i) const noexcept { return slab_[i].record; }

    index first_unacked() const noexcept { return slab_.front(); }
    const transmission& newest() const noexcept { return slab_[slab_.back()].record; }  // there must be one
    index next(index i) const noexcept { return slab_[i].next; }
    // In order of transmission, only records in flight. `i` may have been marked lost since it was reached.
    index oldest_sent() const noexcept { return state_.by_time.head; }
    index next_sent(index i) const noexcept
    {
        do {
            i = slab_[i].time_next;
        } while (i != npos && !is_in_flight(slab_[i].record));
        return i;
    }
    index first_lost() const noexcept { return state_.by_loss.head; }
    index next_lost(index i) const noexcept { return slab_[i].lost_next; }
    index find(stream_offset o) const noexcept
    {
        return o < state_.una || o >= state_.nxt ? npos : slab_.find(o);
    }

    stream_offset una() const noexcept { return state_.una; }
    stream_offset nxt() const noexcept { return state_.nxt; }
    // RFC6675-4c, RFC9937-6.2c, 6.2d, 6.2e
    octet_count in_flight() const noexcept { return std::max<octet_count>(state_.in_flight - state_.emulated, 0); }
    octet_count sacked() const noexcept { return state_.sacked; }
    std::uint32_t segments_sacked() const noexcept { return state_.segments_sacked; }
    octet_count lost() const noexcept { return state_.lost; }
    octet_count retransmitted() const noexcept { return state_.retransmitted; }
    stream_offset highest_sacked() const noexcept { return std::max(state_.highest_sacked, state_.una); }

    // `i` is SACKed: the record behind the run of SACKed ones in which it is; npos: none.
    index past_run(index i) noexcept { return slab_[run_end(i)].next; }
    // The highest record that is not SACKed; npos: none. O(log n).
    index highest_unsacked() noexcept;

    std::uint32_t sacked_ranges() const noexcept { return state_.ranges; }
    // The line is where a record begins, or nxt; never below una.
    stream_offset line() const noexcept { return std::max(state_.line, state_.una); }
    octet_count sacked_beyond() const noexcept { return state_.sacked_beyond; }
    std::uint32_t ranges_beyond() const noexcept { return state_.ranges_beyond; }  // a part of them lies there
    void reset_line() noexcept;      // to una
    index move_line(index i) noexcept;  // `i` begins at the line: behind it, and its run; returns the record there

    void mark_lost(index i) noexcept;
    void mark_all_lost() noexcept;
    // Cuts the record that holds `at`, for one who knows something of a part of a super-frame only. False: it begins
    // there, it is one segment, or there is no room for one more.
    bool split(stream_offset at) noexcept;
    void clear_marks() noexcept;

private:
    static constexpr bool is_in_flight(const transmission& t) noexcept { return !t.sacked && !t.lost; }

    void count(const transmission& t) noexcept;    // adds the record to the counters
    void uncount(const transmission& t) noexcept;  // takes it off
    index split(index i, stream_offset at) noexcept;
    bool split_for_sack(index i, stream_offset at, index& right) noexcept;
    void retransmit_record(index i, time_point now, const delivery_stamp& stamp, std::uint32_t segments) noexcept;
    index run_end(index i) noexcept;
    void join_run(index before, index i) noexcept;
    void leave_run(const transmission& t, index after) noexcept;
    bool runs_hold() const noexcept;
    void list_lost(index i) noexcept;
    void unlist(index i) noexcept;
    void announce(index i) noexcept;
    void retract(index i) noexcept;
    void rebuild_time_order() noexcept;
    class time_sorter;
    bool sequence_order_holds() const noexcept;
    bool time_order_holds() const noexcept;

    struct state {
        stream_offset una{};
        stream_offset nxt{};
        octet_count in_flight = 0;
        octet_count sacked = 0;
        octet_count lost = 0;
        octet_count retransmitted = 0;
        octet_count newly_lost = 0;
        octet_count emulated = 0;
        stream_offset highest_sacked{};
        detail::time_list by_time{};
        detail::lost_list by_loss{};
        index lost_finger = npos;  // the record last put into by_loss: the next one belongs near it
        index announced_head = npos;
        index announced_tail = npos;
        std::uint32_t segments = 0;
        std::uint32_t segments_sacked = 0;
        std::uint32_t ranges = 0;
        std::uint32_t ranges_beyond = 0;
        octet_count sacked_beyond = 0;
        stream_offset line{};
    };

    detail::transmission_slab slab_;
    state state_;
};

static_assert(sizeof(scoreboard) <= 184, "an idle connection has one of these");
static_assert(loss_board<scoreboard>);

}  // namespace tcpco

#include "tcpco/tcp/scoreboard_impl.hpp"
