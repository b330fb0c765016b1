// A hierarchical timing wheel (Varghese and Lauck, SOSP 1987): one timer for each index its caller chooses.
//
// Nine levels of 64 slots: a slot of level n spans 64^n ticks of 1024 ns, so the levels reach beyond the last
// time_point. A timer lies in the level where its tick first differs from the wheel's own, and moves down when time
// comes near it, eight times at most. Each level has a bitmap of its occupied slots, so a clock that jumps by years
// costs what the armed timers cost, not what the ticks would.
//
// Times stay exact although ticks are coarse: each timer keeps its own, each slot the earliest of its timers. A timer
// therefore never fires early, and deadline() names the very nanosecond, except after cancel() or re-arming: then it
// can be early, which costs one empty advance().
//
// Re-arming to a later time, which every acknowledgement does to the RTO, only writes the new time: the timer moves
// when its old slot comes due.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

using timer_id = std::uint32_t;

class timer_wheel {
public:
    static constexpr duration tick{1'024};

    // `start` is the earliest time that matters; times before it count as due at once.
    explicit timer_wheel(time_point start = time_point{}) noexcept : start_{start}, advanced_to_{start}
    {
        for (std::uint32_t where = 0; where < lists_.size(); ++where) {
            lists_[where].next = lists_[where].previous = head | where;
        }
    }

    // Makes room for timers with ids below `ids`; the only call that allocates. False when memory is short.
    [[nodiscard]] bool reserve(std::uint32_t ids) noexcept { return nodes_.make_room(ids); }
    std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(nodes_.size()); }

    // Arms timer `id`, or arms it anew, to fire at `at`; at time_point::never() it is cancelled instead. O(1).
    void schedule(timer_id id, time_point at) noexcept
    {
        node& n = nodes_[id];
        if (at == time_point::never()) {
            cancel(id);
            return;
        }
        const bool due_now = advancing_ && at <= advanced_to_;
        if (armed(id) && at >= n.at && !due_now) {
            n.at = at;
            return;
        }
        cancel(id);
        n.at = at;
        ++armed_;
        append(due_now ? late : slot_for(at), id);
    }

    void cancel(timer_id id) noexcept
    {
        if (armed(id)) {
            unlink(id);
            --armed_;
        }
    }

    bool armed(timer_id id) const noexcept { return nodes_[id].previous != unarmed; }
    // When it fires; never() when it is not armed.
    time_point when(timer_id id) const noexcept { return armed(id) ? nodes_[id].at : time_point::never(); }
    std::uint32_t armed_count() const noexcept { return armed_; }

    // When advance() must next be called: may be early, never late; never() when nothing is armed.
    time_point deadline() const noexcept
    {
        if (armed_ == 0) {
            return time_point::never();
        }
        const std::size_t first = first_slot();
        time_point earliest = first < slots ? lists_[first].at : time_point::never();
        for (const std::size_t special : {firing, late}) {
            if (!is_empty(special)) {
                earliest = std::min(earliest, lists_[special].at);
            }
        }
        return earliest;
    }

    // Until then advance() has nothing to do but to know the time: earlier than deadline() perhaps, and had by a look.
    time_point quiet_until() const noexcept { return quiet_until_; }

    // The time is `now`, before quiet_until(): what is scheduled next is placed as seen from here. An advance() that is
    // left out because nothing was to be done is made up for by this.
    void catch_up(time_point now) noexcept
    {
        advanced_to_ = std::max(advanced_to_, now);
        if (advanced_to_ < quiet_until_) {
            current_ = tick_of(advanced_to_);
        }
    }

    // Calls fn(timer_id) once for each timer due at `now`, tick by tick, within a tick in the order of arming; one
    // armed for a time past already counts as armed for the tick it was armed in. A timer is disarmed before its call.
    // fn may schedule and cancel every timer; what it schedules, due or not, waits for the next advance(), so a timer
    // that re-arms itself without delay cannot keep this one. A `now` before an earlier one counts as that. fn must
    // not call advance().
    template <class F>
    void advance(time_point now, F fn)
    {
        if (comes_to_timers(now)) {
            advance_to_now({&fn, &call<void, F>});
        }
    }

    // The same for owners that move their timers to later times without a word (armed_time.hpp): asks
    // current(timer_id) -> time_point of each timer that is come to, and moves it to there; never() disarms it.
    template <class F, class Current>
    void advance(time_point now, F fn, Current current)
    {
        if (comes_to_timers(now)) {
            advance_to_now({&fn, &call<void, F>, &current, &call<time_point, Current>});
        }
    }

private:
    static constexpr unsigned level_bits = 6;
    static constexpr std::size_t level_slots = 1u << level_bits;
    static constexpr std::size_t levels = 9;  // 54 bits of ticks of 2^10 ns: all 64 bits of time
    static constexpr std::size_t slots = levels * level_slots;
    static constexpr std::size_t firing = slots;    // the list advance() is just calling
    static constexpr std::size_t late = slots + 1;  // armed by fn, and due already
    static constexpr std::uint32_t unarmed = 0xFFFFFFFF;

    // A list is a ring with a node of its own for a head, named by its number, the level's * 64 + the slot in it, and
    // this bit. So nothing has to be asked to link or unlink, and four nodes fit a cache line.
    static constexpr std::uint32_t head = 0x80000000;

    struct node {
        time_point at = time_point::never();  // of a head: no timer of the list is due before
        std::uint32_t next = unarmed;
        std::uint32_t previous = unarmed;
    };
    static_assert(sizeof(node) == 16);

    node& named(std::uint32_t name) noexcept { return name < head ? nodes_[name] : lists_[name - head]; }
    bool is_empty(std::size_t where) const noexcept { return lists_[where].next >= head; }

    // What advance() was given, without the types: so the wheel is compiled once, not once for each who calls it.
    struct owner {
        void* fn = nullptr;
        void (*fire)(void* fn, timer_id id) = nullptr;
        void* current = nullptr;
        time_point (*ask)(void* current, timer_id id) = nullptr;  // null: the wheel knows
    };
    template <class Result, class F>
    static Result call(void* fn, timer_id id)
    {
        return (*static_cast<F*>(fn))(id);
    }
    time_point current_of(const owner& who, timer_id id) const
    {
        return who.ask != nullptr ? who.ask(who.current, id) : nodes_[id].at;
    }

    // The time moves on. False: it has come to no slot that holds timers, and all is done.
    bool comes_to_timers(time_point now) noexcept
    {
        TCPCO_ASSERT(!advancing_);
        catch_up(now);
        return advanced_to_ >= quiet_until_;
    }

    [[gnu::noinline]] void advance_to_now(const owner& who)
    {
        const std::uint64_t target = tick_of(advanced_to_);
        advancing_ = true;
        for (std::size_t s = first_slot(); s < slots && first_tick(s) <= target; s = first_slot()) {
            current_ = std::max(current_, first_tick(s));
            if (s >= level_slots) {
                move_down(s, who);
            } else if (lists_[s].at <= advanced_to_) {
                fire(s, who);
            } else {
                break;  // the tick that `now` lies in; the rest of it is not due yet
            }
        }
        current_ = target;
        move_down(late, owner{});
        advancing_ = false;
        const std::size_t first = first_slot();
        quiet_until_ = first < slots ? begin_of(first) : time_point::never();
    }

    std::uint64_t tick_of(time_point at) const noexcept
    {
        return at <= start_ ? 0
                            : (static_cast<std::uint64_t>(at.ns) - static_cast<std::uint64_t>(start_.ns)) /
                                  static_cast<std::uint64_t>(tick.ns);
    }

    // Where a timer for `at` lies, seen from current_.
    std::size_t slot_for(time_point at) const noexcept
    {
        const std::uint64_t t = std::max(tick_of(at), current_);
        const auto level = static_cast<unsigned>(std::bit_width((t ^ current_) | 1) - 1) / level_bits;
        return level * level_slots + (t >> (level * level_bits) & (level_slots - 1));
    }

    // The occupied slot whose timers come first, or `slots`. Whatever lies in a level is due before all that lies above
    // it, since it shares more of its leading bits with current_.
    std::size_t first_slot() const noexcept
    {
        for (std::size_t level = 0; level < levels; ++level) {
            if (occupied_[level] != 0) {
                return level * level_slots + static_cast<std::size_t>(std::countr_zero(occupied_[level]));
            }
        }
        return slots;
    }

    // The tick a slot begins with, seen from current_.
    std::uint64_t first_tick(std::size_t s) const noexcept
    {
        const auto shift = static_cast<unsigned>(s / level_slots) * level_bits;
        const std::uint64_t above = current_ >> shift >> level_bits << level_bits;
        return (above | (s % level_slots)) << shift;
    }

    // When that is; no later than any timer there, so it is a time_point.
    time_point begin_of(std::size_t s) const noexcept
    {
        return start_ + duration{static_cast<std::int64_t>(first_tick(s) * static_cast<std::uint64_t>(tick.ns))};
    }

    void append(std::size_t where, timer_id id) noexcept
    {
        node& l = lists_[where];
        node& n = nodes_[id];
        l.at = is_empty(where) ? n.at : std::min(l.at, n.at);
        n.next = head | static_cast<std::uint32_t>(where);
        n.previous = l.previous;
        named(l.previous).next = id;
        l.previous = id;
        if (where < slots) {
            occupied_[where / level_slots] |= std::uint64_t{1} << (where % level_slots);
            quiet_until_ = std::min(quiet_until_, begin_of(where));
        }
    }

    void unlink(timer_id id) noexcept
    {
        node& n = nodes_[id];
        named(n.previous).next = n.next;
        named(n.next).previous = n.previous;
        if (n.next == n.previous && n.next >= head && n.next - head < slots) {  // the last one of its list
            const std::size_t where = n.next - head;
            occupied_[where / level_slots] &= ~(std::uint64_t{1} << (where % level_slots));
        }
        n.previous = unarmed;
    }

    // Places each timer of list `where` anew, in order. None comes back to a slot that current_ has just reached: it
    // goes to a level below, or later, where it was re-armed meanwhile.
    void move_down(std::size_t where, const owner& who) noexcept
    {
        while (!is_empty(where)) {
            const timer_id id = lists_[where].next;
            unlink(id);
            place(id, current_of(who, id));
        }
    }

    // One that was armed, and is in no list now.
    void place(timer_id id, time_point at) noexcept
    {
        if (at == time_point::never()) {
            --armed_;
            return;
        }
        nodes_[id].at = at;
        append(slot_for(at), id);
    }

    // Fires what is due of slot `s`. The timers pass through a list of their own, so that what fn arms for the same
    // tick is not taken for one of them.
    void fire(std::size_t s, const owner& who)
    {
        for (timer_id id = lists_[s].next; id < head; id = lists_[s].next) {
            unlink(id);
            append(firing, id);
        }
        for (timer_id id = lists_[firing].next; id < head; id = lists_[firing].next) {
            unlink(id);
            const time_point at = current_of(who, id);
            const bool re_armed = tick_of(at) > current_;  // to a later tick, whose turn has not come
            if (re_armed || at > advanced_to_) {
                place(id, at);
            } else {
                --armed_;
                who.fire(who.fn, id);
            }
        }
    }

    growable_array<node> nodes_{};
    std::array<node, slots + 2> lists_{};
    std::array<std::uint64_t, levels> occupied_{};  // bit n of a level: its slot n holds timers
    time_point start_;
    time_point advanced_to_;     // the latest `now`
    std::uint64_t current_ = 0;  // the tick from which all slots are seen
    time_point quiet_until_ = time_point::never();  // no occupied slot begins before
    std::uint32_t armed_ = 0;
    bool advancing_ = false;
};

}  // namespace tcpco
