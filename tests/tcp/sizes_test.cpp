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
static_assert(fits<sizeof(transmission_control_block), 408>);
static_assert(fits<sizeof(connection<default_policies>), 504>);  // with its slab's 8 octets: eight cache lines, aligned
static_assert(sizeof(connection<small_bundle>) <= 504);      // the policies that cost sit in sender_active
static_assert(sizeof(rare_state) <= 160);                    // of a few of them

// While there is something to send, and while a hole is open.
static_assert(fits<sizeof(sender_active<default_policies>), 1'400>);
static_assert(fits<sizeof(sender_active<small_bundle>), 672>);
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
    // Held by the static_asserts above; here, that an idle connection is less than eight cache lines.
    CHECK(sizeof(connection<default_policies>) < 512);
}
