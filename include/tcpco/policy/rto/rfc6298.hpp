// The retransmission timeout of RFC 6298, with the gains of RFC 7323 appendix G for several samples per round trip.
//
// The mechanism feeds samples from transmission records and never one from a retransmitted segment (Karn, RFC 6298
// section 3) unless a timestamp tells which transmission was acknowledged. What this policy keeps of Karn's rule is the
// second half: a backed-off RTO stays in force until a new sample arrives (section 5, note after 5.7).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::rto {

class rfc6298 {
public:
    // Kept in microseconds, each below 2^32 of them.
    struct config {
        duration initial{1'000'000'000};  // RFC6298-2.1a, 2.1b: 1 s until the first sample
        // RFC6298-2.4a says 1 s should be the least. Linux uses 200 ms and FreeBSD 230 ms, both above the usual longest
        // ACK delay of 200 ms and without the whole second of silence after a lost tail; so do we. Set 1 s to conform.
        duration minimum{200'000'000};
        duration maximum{120'000'000'000};  // RFC6298-2.5a: at least 60 s; 120 s as in Linux
        // G of RFC 6298: the least that the variance term adds. Our clock is finer than 1 ms, the scheduling of both
        // hosts is not.
        // RFC6298-4a
        duration granularity{1'000'000};
        duration after_lost_syn{3'000'000'000};  // RFC 6298 5.7: the first RTO for data when the SYN timed out
        // After so many back-offs in a row SRTT and RTTVAR say little of the path any more: the next sample counts as
        // a first one (RFC6298-5.9a). 0: never, as in Linux, since that sample ends the back-off in any case and SRTT
        // follows it within a few round trips. FreeBSD forgets after 4.
        std::uint8_t forget_after = 0;
    };

    constexpr rfc6298() noexcept : rfc6298{config{}} {}
    constexpr explicit rfc6298(const config& c) noexcept
        : forget_after_{c.forget_after}, base_{0}, minimum_us_{in_us(c.minimum)}, maximum_us_{in_us(c.maximum)},
          granularity_us_{in_us(c.granularity)}, after_lost_syn_us_{in_us(c.after_lost_syn)}
    {
        set_base(from_us(in_us(c.initial)));
    }

    // RFC 6298 2.2 and 2.3: the first sample sets both, later ones move RTTVAR first, then SRTT.
    // RFC6298-2.2a, 2.3a, 2.3b, 2.3c, 5.9a
    constexpr void on_rtt_sample(const rtt_sample& s) noexcept
    {
        const std::int64_t r = std::max<std::int64_t>(s.rtt.ns, 1);
        if (measured_ == 0 || (forget_after_ != 0 && back_off_ >= forget_after_)) {
            measured_ = 1;
            set_base(r);
            rttvar_ = r / 2;
        } else {
            const std::int64_t n = std::max<std::int64_t>(s.samples_per_round, 1);
            const std::int64_t error = r - base();
            const std::int64_t change = (error < 0 ? -error : error) - rttvar_;
            rttvar_ += n == 1 ? change / 4 : change / (4 * n);  // mostly by a shift
            set_base(base() + (n == 1 ? error / 8 : error / (8 * n)));
        }
        back_off_ = 0;
        if (s.source == rtt_source::handshake) {
            in_handshake_ = 0;
        } else {
            in_handshake_ = syn_timed_out_ = 0;
        }
    }

    // RFC6298-5.5a: double; rto() holds the result below the maximum.
    constexpr void on_retransmission_timeout() noexcept
    {
        syn_timed_out_ = syn_timed_out_ | in_handshake_;
        back_off_ = static_cast<std::uint64_t>(std::min<unsigned>(back_off_ + 1U, 32)) & 255U;
    }

    // The first progress of a connection is the acknowledgement of its SYN; from there the SYN's back-off is no longer
    // of use, and 5.7 takes its place. Later progress without a sample leaves the back-off (Karn).
    // RFC6298-5.7a, 5.8a
    constexpr void on_forward_progress() noexcept
    {
        if (in_handshake_ != 0) {
            in_handshake_ = 0;
            back_off_ = 0;
        }
    }

    constexpr void on_spurious_timeout() noexcept { back_off_ = 0; }

    [[gnu::always_inline]] constexpr duration rto() const noexcept  // RFC6298-2.5a
    {
        const std::int64_t longest = from_us(maximum_us_);
        if (measured_ == 1 && syn_timed_out_ == 0 && back_off_ == 0) {  // nearly always
            return duration{std::min(from_samples(), longest)};
        }
        const std::int64_t base = unbacked();
        return duration{base >= longest >> back_off_ ? longest : base << back_off_};
    }
    constexpr duration srtt() const noexcept { return duration{measured_ != 0 ? base() : 0}; }
    constexpr duration rttvar() const noexcept { return duration{rttvar_}; }
    friend constexpr bool operator==(const rfc6298&, const rfc6298&) noexcept = default;

private:
    static constexpr std::uint32_t in_us(duration d) noexcept
    {
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(d.ns / 1'000, 0, UINT32_MAX));
    }
    static constexpr std::int64_t from_us(std::uint32_t us) noexcept { return std::int64_t{us} * 1'000; }

    // RFC6298-2.3c, 2.4a, 4a
    constexpr std::int64_t from_samples() const noexcept
    {
        return std::max(base() + std::max(from_us(granularity_us_), 4 * rttvar_), from_us(minimum_us_));
    }
    // RFC6298-2.1a, 5.7a
    [[gnu::noinline]] constexpr std::int64_t unbacked() const noexcept
    {
        std::int64_t base = measured_ != 0 ? from_samples() : this->base();
        if (syn_timed_out_ != 0 && in_handshake_ == 0) {
            base = std::max(base, from_us(after_lost_syn_us_));
        }
        return base;
    }

    // A round trip of five hours counts as one of 4.9: each connection has one of these.
    constexpr void set_base(std::int64_t ns) noexcept
    {
        base_ = static_cast<std::uint64_t>(std::clamp<std::int64_t>(ns, 1, longest_base)) & longest_base;
    }
    constexpr std::int64_t base() const noexcept { return static_cast<std::int64_t>(base_); }

    static constexpr std::int64_t longest_base = (std::int64_t{1} << 44) - 1;

    std::uint64_t forget_after_ : 8;
    std::uint64_t back_off_ : 8 = 0;  // doublings since the last sample
    std::uint64_t measured_ : 1 = 0;
    std::uint64_t in_handshake_ : 1 = 1;
    std::uint64_t syn_timed_out_ : 1 = 0;
    std::uint64_t : 1;
    std::uint64_t base_ : 44;  // ns: SRTT, or before the first sample the first RTO. On top, to be had by a shift
    std::int64_t rttvar_ = 0;
    std::uint32_t minimum_us_;
    std::uint32_t maximum_us_;
    std::uint32_t granularity_us_;
    std::uint32_t after_lost_syn_us_;
};

static_assert(rto_estimator<rfc6298> && std::is_trivially_copyable_v<rfc6298> && sizeof(rfc6298) <= 32);

}  // namespace tcpco::rto
