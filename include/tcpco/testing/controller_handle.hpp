// A congestion controller behind virtual calls: so that the player of scripts is compiled once, for all of them.
//
// It calls what the mechanism calls, and supplies the mechanism's defaults where the controller has no refinement: a
// timeout is a congestion event, an undo restores the copy.
#pragma once

#include <memory>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"

namespace tcpco::testing {

// What a controller answers.
struct controller_answers {
    octet_count cwnd = 0;
    octet_count ssthresh = 0;
    std::uint64_t pacing_rate = 0;
    octet_count send_quantum = 0;

    static constexpr octet_count most = 4 * congestion::largest_cwnd;
    constexpr bool is_sane() const noexcept
    {
        return cwnd >= 0 && cwnd <= most && ssthresh >= 0 && send_quantum >= 0 &&
               pacing_rate < std::uint64_t{1} << 62;
    }
    friend constexpr bool operator==(const controller_answers&, const controller_answers&) noexcept = default;
};

class controller_handle {
public:
    virtual ~controller_handle() = default;
    controller_handle() = default;
    controller_handle(const controller_handle&) = delete;
    controller_handle& operator=(const controller_handle&) = delete;

    virtual std::unique_ptr<controller_handle> copy() const = 0;
    virtual std::unique_ptr<controller_handle> fresh() const = 0;  // as made from its config
    virtual bool told_of_idle_restart() const noexcept = 0;
    virtual bool remembers_validation() const noexcept = 0;
    virtual bool grows_beside_marks() const noexcept = 0;
    virtual controller_answers answers() const = 0;

    virtual void established(const connection_established& e) = 0;
    virtual void sent(const packet_sent& e) = 0;
    virtual void acked(const ack_info& e) = 0;
    virtual void lost(const packet_lost& e) = 0;
    virtual void congested(const congestion_event& e) = 0;
    virtual void timed_out(const retransmission_timeout& e) = 0;
    virtual void recovered() = 0;
    virtual void spurious(spurious_cause cause, const controller_handle& prior) = 0;  // prior: a copy() of this one
    virtual void idle_restart(time_point now, octet_count restart_window) = 0;
    virtual void smss_changed(octet_count before, octet_count after) = 0;
};

template <congestion_controller C>
class controller_handle_of final : public controller_handle {
public:
    explicit controller_handle_of(const typename C::config& config) : config_{config}, policy_{config} {}
    controller_handle_of(const typename C::config& config, const C& policy) : config_{config}, policy_{policy} {}

    std::unique_ptr<controller_handle> copy() const override
    {
        return std::make_unique<controller_handle_of>(config_, policy_);
    }
    std::unique_ptr<controller_handle> fresh() const override
    {
        return std::make_unique<controller_handle_of>(config_);
    }
    bool told_of_idle_restart() const noexcept override { return tcpco::told_of_idle_restart<C>; }
    bool remembers_validation() const noexcept override { return tcpco::remembers_validation<C>; }
    bool grows_beside_marks() const noexcept override { return grows_beside_marks_v<C>; }
    controller_answers answers() const override
    {
        controller_answers a{.cwnd = policy_.cwnd(), .ssthresh = policy_.ssthresh()};
        if constexpr (paces<C>) {
            a.pacing_rate = policy_.pacing_rate();
        }
        if constexpr (sets_send_quantum<C>) {
            a.send_quantum = policy_.send_quantum();
        }
        return a;
    }

    void established(const connection_established& e) override
    {
        if constexpr (told_of_establishment<C>) {
            policy_.on_connection_established(e);
        }
    }
    void sent(const packet_sent& e) override
    {
        if constexpr (told_of_packets_sent<C>) {
            policy_.on_packet_sent(e);
        }
    }
    void acked(const ack_info& e) override
    {
        ack_info known = e;
        if constexpr (!wants_rate_samples_v<C>) {
            known.rate = {};
        }
        policy_.on_ack(known);
    }
    void lost(const packet_lost& e) override
    {
        if constexpr (told_of_packets_lost<C>) {
            policy_.on_packet_lost(e);
        }
    }
    void congested(const congestion_event& e) override { policy_.on_congestion_event(e); }
    void timed_out(const retransmission_timeout& e) override
    {
        if constexpr (told_of_timeouts<C>) {
            policy_.on_retransmission_timeout(e);
        } else {
            policy_.on_congestion_event({.in_flight = e.in_flight, .smss = e.smss, .now = e.now});
        }
    }
    void recovered() override
    {
        if constexpr (told_of_recovery_exit<C>) {
            policy_.on_recovery_exit();
        }
    }
    void spurious(spurious_cause cause, const controller_handle& prior) override
    {
        const C& before = static_cast<const controller_handle_of&>(prior).policy_;
        if constexpr (told_of_spurious<C>) {
            policy_.on_spurious(cause, before);
        } else {
            static_cast<void>(cause);
            policy_ = before;
        }
    }
    void idle_restart(time_point now, octet_count restart_window) override
    {
        if constexpr (tcpco::told_of_idle_restart<C>) {
            policy_.on_idle_restart(now, restart_window);
        }
    }
    void smss_changed(octet_count before, octet_count after) override
    {
        if constexpr (told_of_smss_change<C>) {
            policy_.on_smss_change(before, after);
        }
    }

private:
    typename C::config config_;
    C policy_;
};

}  // namespace tcpco::testing
