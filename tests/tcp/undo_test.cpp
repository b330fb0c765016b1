#include "tcpco/tcp/undo.hpp"

#include <array>
#include <cstddef>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/tcp/acknowledgement.hpp"
#include "tcpco/tcp/sender.hpp"
#include "tcpco/tcp/timeouts.hpp"

using namespace tcpco;

namespace {

// Each lost segment takes one off, and each congestion event half of what is left.
class wary {
public:
    struct config {};
    constexpr wary() noexcept = default;
    constexpr explicit wary(const config&) noexcept {}
    constexpr void on_ack(const ack_info&) noexcept {}
    constexpr void on_packet_lost(const packet_lost& e) noexcept { cwnd_ -= e.octets; }
    constexpr void on_congestion_event(const congestion_event&) noexcept { cwnd_ /= 2; }
    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    constexpr octet_count ssthresh() const noexcept { return cwnd_; }

private:
    octet_count cwnd_ = 20'000;
};

template <class Recovery>
struct wary_bundle : default_policies {
    using congestion = wary;
    using recovery = tcpco::recovery::with_undo<Recovery>;
};

// Eight segments are in flight; what has arrived is said by one ACK.
template <class Recovery>
struct flight {
    using bundle = wary_bundle<Recovery>;
    flight()
    {
        tcpco::begin(c, {"192.0.2.1"_ip, 7}, {"192.0.2.2"_ip, 8}, nullptr, st);
        c.state = tcp_state::established;
        c.snd.una = c.snd.nxt = stream_offset{1};
        c.snd.wnd = c.snd.max_wnd = 60'000;
        c.peer_mss = c.smss = 1'000;
        c.sack_permitted = true;
        const std::array<std::byte, 8'000> text{};
        REQUIRE(c.send.append(text, host.small, host.large) == text.size());
        leaving_segment out;
        while (out = {}, next_segment(out, c, st) && out.length() > 0) {
            commit_segment(c, out, st);
        }
        REQUIRE(c.snd.nxt == stream_offset{8'001});
        REQUIRE(sender().congestion.cwnd() == 20'000);
    }
    sender_active<bundle>& sender() { return *st.sender(c); }
    void acknowledge(std::uint32_t first_sacked, std::uint32_t last_sacked)
    {
        arriving_segment seg;
        seg.ack = stream_offset{1};
        seg.wnd = 60'000;
        seg.info.arrived_at = st.now;
        seg.options.sack_count = 1;
        seg.options.sack_blocks[0] = {c.snd.iss + first_sacked, c.snd.iss + last_sacked};
        process_ack(c, seg, st);
    }

    tcp_host<bundle> host{{}, {}, {}, {}};
    step<bundle> st{host, time_point{1'000'000'000}};
    connection<bundle> c;
};

}  // namespace

TEST_CASE("what an undo gives back is from before the controller heard of the losses", "[tcp][RFC4015-3.1a]")
{
    flight<recovery::sack> f;
    f.acknowledge(2'001, 6'001);
    REQUIRE(f.sender().recovery.in_recovery());
    CHECK(f.sender().congestion.cwnd() == 9'000);  // two segments are lost
    REQUIRE(f.sender().before.has_value());
    CHECK(f.sender().before->cwnd() == 20'000);
}

TEST_CASE("so it is where the reordering timer finds the losses", "[tcp][RFC4015-3.1a]")
{
    flight<recovery::rack_tlp> f;
    f.st.now = f.st.now + duration{100'000'000};
    f.acknowledge(2'001, 4'001);  // two behind the hole: not yet lost, but overtaken
    REQUIRE_FALSE(f.sender().recovery.in_recovery());
    REQUIRE(f.c.timer == retransmission_timer::reorder);
    f.st.now = f.c.timer_at;
    detail::on_recovery_timer(f.c, f.sender(), retransmission_timer::reorder, f.st);
    REQUIRE(f.sender().recovery.in_recovery());
    CHECK(f.sender().congestion.cwnd() == 9'000);
    REQUIRE(f.sender().before.has_value());
    CHECK(f.sender().before->cwnd() == 20'000);
}
