// What a connection costs. Bounds with little slack: whoever adds a member sees it here, and decides whether a hundred
// thousand idle connections should pay for it.
#include "tcpco/core.hpp"

#include <cstddef>

#include "tcpco/policy/congestion/reno.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

struct small_bundle : default_policies {
    using congestion = tcpco::congestion::reno;
    using recovery = tcpco::recovery::new_reno;
    using recovery_rate = reduction::pass_through;
};

template <std::size_t Size, std::size_t Bound>
constexpr bool fits = Size <= Bound && Size + 64 > Bound;  // a bound that is far too large holds nothing

// An idle connection: this, its timer node and its flow table entry, and nothing else.
static_assert(fits<sizeof(transmission_control_block), 312>);
static_assert(fits<sizeof(connection<default_policies>), 376>);  // with its slab's 8 octets: six cache lines, aligned
static_assert(sizeof(connection<small_bundle>) <= 376);      // the policies that cost sit in sender_active
static_assert(sizeof(rare_state) <= 176);                    // of a few of them

// While there is something to send, and while a hole is open.
static_assert(fits<sizeof(sender_active<default_policies>), 1'400>);  // with its slab's 8 octets: 22 cache lines, aligned
static_assert(fits<sizeof(sender_active<small_bundle>), 688>);
static_assert(fits<sizeof(receiver_active), 96>);
static_assert(sizeof(transmission) <= 88);  // one for each segment in flight

// A half-open connection (every forged SYN makes one), and one in TIME-WAIT.
static_assert(sizeof(syn_received_record) == 64);
static_assert(sizeof(time_wait_record) == 64);

// What travels with each frame, and names of things.
static_assert(sizeof(frame_info) <= 16);
static_assert(sizeof(frame) <= 40);
static_assert(sizeof(outgoing_frame) <= 40);
static_assert(sizeof(slice) <= 24);
static_assert(sizeof(buffer) == sizeof(void*));
static_assert(sizeof(slab_id) == 8 && sizeof(connection_id) == 8 && sizeof(listener_id) == 8);
static_assert(sizeof(transmit_token) == 4);
static_assert(sizeof(completion) <= 3 * sizeof(void*));
static_assert(sizeof(endpoint) <= 20 && sizeof(ip_address) <= 17);
static_assert(sizeof(listener) <= 88);

}  // namespace

TEST_CASE("a connection, its sending half and its receiving half are as small as they were measured", "[tcp]")
{
    // Held by the static_asserts above; here, that an idle connection is less than six cache lines.
    CHECK(sizeof(connection<default_policies>) < 384);
}

TEST_CASE("an offset of 32 bits says what the whole one does, on both sides of a wrap", "[tcp]")
{
    for (const std::int64_t at : {std::int64_t{5}, (std::int64_t{1} << 32) - 3, (std::int64_t{1} << 40) - 1}) {
        const stream_offset here{at};
        const near_offset narrow = here + 7;
        CHECK(narrow - here == 7);
        CHECK(here - narrow == -7);
        CHECK((narrow > here && narrow >= here && here < narrow && here <= narrow));
        CHECK_FALSE(narrow == near_offset{here});
        CHECK(narrow.beside(here) == here + 7);
        CHECK(narrow.beside(here + (std::int64_t{1} << 30)) == here + 7);  // a window away
        CHECK(narrow.beside(here - (std::int64_t{1} << 30)) == here + 7);
    }
}

TEST_CASE("a time of 32 bits tells days, and years, from moments", "[tcp]")
{
    const duration day = 86'400_s;
    for (const time_point taken : {time_point{}, time_point{5_s}, time_point{day * 20'000}}) {
        const coarse_time at = taken;
        for (const duration later : {0_s, 60_s, day * 24, day * 50, day * 3'650}) {
            const duration error = at.until(taken + later) - later;
            CHECK((error > -1'074_ms && error < 1'074_ms));
        }
    }
}

TEST_CASE("what a connection keeps of its path while it is quiet comes back, and what does not fit is no limit", "[tcp]")
{
    idle_windows kept;
    CHECK((kept.cwnd() == 0 && kept.ssthresh() == 0 && kept.min_rtt() == duration{}));
    kept.keep_windows(14'480, congestion::no_threshold);
    CHECK((kept.cwnd() == 14'480 && kept.ssthresh() == congestion::no_threshold));
    kept.keep_windows(octet_count{1} << 40, 2'896);
    CHECK((kept.cwnd() == 0xFFFF'FFFF && kept.ssthresh() == 2'896));
    const time_point now{1'000_s};
    for (const duration rtt : {1_us, 37_us, 20_ms, 1'500'001_us, 30_s}) {
        kept.keep_min_rtt(rtt, now - 100_s);
        CHECK(kept.min_rtt() == rtt);
    }
    const duration age = now - kept.min_rtt_at(now);
    CHECK((age > 98_s && age < 102_s));
    kept.keep_min_rtt(3_ns, now);
    CHECK(kept.min_rtt() > duration{});  // there is one
}

TEST_CASE("segments are counted beyond 32 bits", "[tcp]")
{
    cold_part<rare_state> rare;
    std::uint32_t low = 0xFFFF'FFFE;
    count_long(low, rare, &rare_state::segments_received_high, 1);
    CHECK((low == 0xFFFF'FFFF && rare.present() == nullptr));
    count_long(low, rare, &rare_state::segments_received_high, 45);
    CHECK((low == 44 && rare->segments_received_high == 1 && rare->segments_sent_high == 0));
}
