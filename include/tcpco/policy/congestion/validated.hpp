// Congestion window validation (RFC 7661) around any controller whose window follows loss: a window that the
// application does not fill is kept for five minutes, and not trusted.
//
//     using congestion = tcpco::congestion::validated<tcpco::congestion::cubic>;
//
// For whoever sends in bursts with pauses between them (requests, video in pieces). Without it a pause of one RTO costs
// the window (RFC 5681 section 4.1) and each burst begins with slow start; with it the window stays, and instead
//   - is spread over a round trip as long as less than half of it is in use, so that its return is no burst;
//   - is reduced, on a loss, to half of what the path has carried of late (pipe_ack.hpp), not of what it might;
//   - is halved when it was not in use for five minutes, and again after each five more.
// It does not grow meanwhile: that a window grows where it was the limit and nowhere else is the base's part (a law of
// testing/congestion_laws.hpp), with the mixin or without.
//
// In no bundle unless it is named: RFC 7661 is an experiment, a burst after a pause of minutes meets a path of which
// nobody knows anything, and each sending half grows by 336 octets (168 twice: there is a copy for undo). Linux has had
// it as a module outside of its tree, FreeBSD has it behind a switch that is off (net.inet.tcp.newcwv); both restart
// with the initial window.
//
// Other mixins stand inside (validated<hystart_plus_plus<cubic>>); a controller that steers by a model of the path
// (BBR) has its own way with what it was not allowed to send.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/congestion/pipe_ack.hpp"

namespace tcpco::congestion {

namespace detail {

// "reno" becomes "reno_cwv": a name of its own for those who choose by name. With "?" where the base has none.
template <class Base>
constexpr auto validated_name() noexcept
{
    constexpr std::string_view base = [] {
        if constexpr (requires { Base::name; }) {
            return std::string_view{Base::name};
        } else {
            return std::string_view{"?"};
        }
    }();
    constexpr std::string_view suffix = "_cwv";
    std::array<char, base.size() + suffix.size() + 1> whole{};
    std::copy(suffix.begin(), suffix.end(), std::copy(base.begin(), base.end(), whole.begin()));
    return whole;
}

template <class Base>
inline constexpr auto validated_name_v = validated_name<Base>();

}  // namespace detail

template <congestion_controller Base>
    requires(told_of_establishment<Base> && !regulates_recovery_v<Base>)
class validated {
public:
    static constexpr const char* name = detail::validated_name_v<Base>.data();
    static constexpr bool wants_rate_samples = wants_rate_samples_v<Base>;
    static constexpr bool grows_beside_marks = grows_beside_marks_v<Base>;
    static constexpr bool wants_exact_ecn_echo = [] {
        if constexpr (requires { Base::wants_exact_ecn_echo; }) {
            return static_cast<bool>(Base::wants_exact_ecn_echo);
        } else {
            return false;
        }
    }();

    struct config {
        typename Base::config base{};
        // How long a window is kept that is not in use: five minutes are the most (RFC7661-4.4c); at least a second is
        // taken.
        duration period{300'000'000'000};
        // The window leaves within a round trip divided by this, in hundredths, while it is not in use. 125: a quarter
        // faster than it takes, so that it can be filled (Linux paces all windows by 120). 0: in one burst.
        std::uint32_t pace_percent = 125;
    };

    constexpr validated() noexcept = default;
    constexpr explicit validated(const config& c) noexcept
        : base_{c.base}, period_{std::clamp(c.period, duration{1'000'000'000}, duration{300'000'000'000})},
          pace_percent_{c.pace_percent}
    {
    }

    // Who comes back from a pause has not used the window since then.
    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        base_.on_connection_established(e);
        initial_window_ = e.initial_window;
        smss_ = e.smss;
        srtt_ = e.handshake_rtt;
        now_ = validated_at_ = e.now;
        begin_anew();
        if (e.prior_cwnd > 0 && e.validated_at <= e.now) {
            pipe_.fall_silent();
            non_validated_ = true;
            validated_at_ = e.validated_at;
            end_period();
        }
    }

    constexpr void on_ack(const ack_info& a) noexcept
    {
        now_ = a.now;
        smss_ = a.smss;
        srtt_ = a.srtt;
        if (recovering_ && !a.in_recovery) {
            begin_anew();  // it ended without a word
        }
        const bool measured = !recovering_ && (!a.in_recovery || a.ecn.ece);  // RFC7661-4.2c
        judge(measured && pipe_.on_ack(a));
        base_.on_ack(a);  // RFC7661-4.4a, 4.4e: it is told whether the window was the limit
    }

    // The answer to a mark is the base's, which may be milder than to a loss; but it is to what the path has carried.
    // RFC7661-4.4f, 4.4.1a, 4.4.1c
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        now_ = e.now;
        smss_ = e.smss;
        judge(false);
        const bool again = recovering_ && e.cause == congestion_cause::lost_retransmission;
        if (!non_validated_) {
            base_.on_congestion_event(e);
        } else if (e.cause == congestion_cause::ecn_echo) {
            base_.on_congestion_event(carrying(e, std::max(pipe_.value(e.now), e.in_flight)));
        } else {
            // What is in flight beyond the window left before the window became less, for its age or for smaller
            // segments; half of that would be no reduction.
            const octet_count carries = again ? carried_ / 2 : std::max(pipe_.value(e.now), e.in_flight);
            carried_ = std::min(carries, base_.cwnd());
            resent_ = again ? resent_ : 0;
            const octet_count before = base_.cwnd();
            base_.on_congestion_event(carrying(e, carried_));
            reduce_to(carried_ / 2, before);
        }
        if (e.cause == congestion_cause::loss) {
            recovering_ = true;
        } else if (!again) {
            begin_anew();  // nothing is repaired that one would have to wait for
        }
    }

    // What had to be sent again was too much: the path carried so much less. What was sent again twice counts twice,
    // where the RFC counts it once: there is no telling it apart here, and it errs to the safe side.
    // RFC7661-4.4.1b, 4.4.1c, 4.4.1d
    constexpr void on_recovery_exit() noexcept
    {
        if constexpr (told_of_recovery_exit<Base>) {
            base_.on_recovery_exit();
        }
        if (recovering_ && non_validated_) {  // as it was when the loss came
            reduce_to((carried_ - resent_) / 2, base_.cwnd());
        }
        begin_anew();
    }

    // RFC7661-4.4g
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if constexpr (told_of_timeouts<Base>) {
            base_.on_retransmission_timeout(e);
        } else {
            base_.on_congestion_event({.in_flight = e.in_flight, .smss = e.smss, .now = e.now});
        }
        now_ = validated_at_ = e.now;
        begin_anew();
    }

    constexpr void on_spurious(spurious_cause cause, const validated& prior) noexcept
    {
        if constexpr (told_of_spurious<Base>) {
            base_.on_spurious(cause, prior.base_);
        } else {
            base_ = prior.base_;
        }
        pipe_ = prior.pipe_;
        validated_at_ = prior.validated_at_;
        non_validated_ = prior.non_validated_;
        recovering_ = false;
    }

    // The first packet after a pause: what the pause has made of the window is settled before more follow.
    // RFC7661-4.4c
    constexpr void on_packet_sent(const packet_sent& e) noexcept
    {
        if (e.idle_for > duration::zero()) {
            now_ = e.now;
            judge(false);
        }
        resent_ += e.retransmission ? e.octets : 0;
        if constexpr (told_of_packets_sent<Base>) {
            base_.on_packet_sent(e);
        }
    }
    constexpr void on_packet_lost(const packet_lost& e) noexcept
        requires told_of_packets_lost<Base>
    {
        base_.on_packet_lost(e);
    }
    // The window is another now, in octets; what the path carried before it says nothing of it.
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        if constexpr (told_of_smss_change<Base>) {
            base_.on_smss_change(old_smss, smss);
        }
        smss_ = smss;
        pipe_.forget();
    }

    constexpr octet_count cwnd() const noexcept { return base_.cwnd(); }
    constexpr octet_count ssthresh() const noexcept { return base_.ssthresh(); }
    // The base's, or the window in a round trip where it is not in use (RFC7661-4.4.2a). A window that may leave as a
    // burst anyway, the initial one, is not paced.
    constexpr std::uint64_t pacing_rate() const noexcept
    {
        if constexpr (paces<Base>) {
            if (const std::uint64_t own = base_.pacing_rate(); own != 0) {
                return own;
            }
        }
        if (!non_validated_ || srtt_ <= duration::zero() || cwnd() <= initial_window_) {
            return 0;
        }
        const std::int64_t faster = mul_div(cwnd(), pace_percent_, 100);
        return static_cast<std::uint64_t>(std::min(mul_div(faster, 1'000'000, srtt_.ns / 1'000 + 1), fastest));
    }
    constexpr octet_count send_quantum() const noexcept
        requires sets_send_quantum<Base>
    {
        return base_.send_quantum();
    }
    constexpr bool ect_1() const noexcept
        requires chooses_ect<Base>
    {
        return base_.ect_1();
    }

    // When the window was last in use; kept for on_connection_established while the connection is idle.
    constexpr time_point validated_at() const noexcept { return validated_at_; }
    // For tests and observers.
    constexpr bool is_validated() const noexcept { return !non_validated_; }
    constexpr octet_count carried(time_point now) const noexcept { return pipe_.value(now); }
    constexpr const Base& base() const noexcept { return base_; }

private:
    static constexpr std::int64_t fastest = std::int64_t{1} << 40;  // octets per second: no limit that one would notice

    static constexpr congestion_event carrying(congestion_event e, octet_count octets) noexcept
    {
        e.in_flight = e.pipe_ack = octets;
        return e;
    }

    // `sampled`: a round trip has just ended. Else only time may have passed, so that no sample is left: within a round
    // trip the window may double, and the sample of the one before says nothing of that.
    // RFC7661-4.1a, 4.4b, 4.4d
    constexpr void judge(bool sampled) noexcept
    {
        if (recovering_) {
            return;
        }
        const octet_count carried = pipe_.value(now_);
        const octet_count used = 2 * carried;
        if (!pipe_.is_defined()) {
            non_validated_ = false;
        } else if (sampled || carried == 0) {
            non_validated_ = used < cwnd() || (non_validated_ && used == cwnd());
        }
        if (!non_validated_) {
            validated_at_ = now_;
        } else {
            end_period();
        }
    }

    // RFC7661-4.4c, 4.4.3a, 4.4.3b
    constexpr void end_period() noexcept
    {
        const octet_count least = std::max(initial_window_, smss_);
        while (now_ - validated_at_ >= period_) {
            const octet_count window = cwnd();
            const octet_count left = std::min(window, std::max(window / 2, least));
            const octet_count threshold = std::max(ssthresh(), window / 4 * 3);
            if (left < window || threshold > ssthresh()) {
                take_over(left, threshold);
            }
            validated_at_ = window > least ? validated_at_ + period_ : now_;
        }
    }

    // No estimate, so the window counts as validated until there is one.
    constexpr void begin_anew() noexcept
    {
        pipe_.forget();
        non_validated_ = recovering_ = false;
    }

    // Both windows, where the base has not given up as much. Never more than `most`.
    constexpr void reduce_to(octet_count window, octet_count most) noexcept
    {
        const octet_count reduced = std::min(std::max(window, smss_), most);
        const octet_count threshold = std::max(reduced, 2 * smss_);
        if (base_.cwnd() != reduced || base_.ssthresh() > threshold) {
            take_over(reduced, threshold);
        }
    }
    // The base begins anew with these: what it remembers of the old window was not validated either.
    constexpr void take_over(octet_count window, octet_count ssthresh) noexcept
    {
        base_.on_connection_established({.now = now_,
                                         .initial_window = window,
                                         .smss = smss_,
                                         .handshake_rtt = srtt_,
                                         .prior_cwnd = window,
                                         .prior_ssthresh = ssthresh});
    }

    Base base_{};
    pipe_ack pipe_{};
    duration period_ = config{}.period;
    time_point now_{};           // of the last event
    time_point validated_at_{};  // when the window was last in use
    duration srtt_{};
    octet_count smss_ = 536;
    octet_count initial_window_ = 536;
    octet_count carried_ = 0;  // what the loss of this recovery was answered to
    octet_count resent_ = 0;   // since then
    std::uint32_t pace_percent_ = config{}.pace_percent;
    bool non_validated_ = false;
    bool recovering_ = false;  // from a loss; until that is over the phase stays what it was
};

}  // namespace tcpco::congestion
