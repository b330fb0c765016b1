// How one reactor wakes another, from its own thread: where io_uring has it with a message from ring to ring, which
// leaves with the turn's one submission, else with an eventfd. linux_reactor::doorbell_to() makes one.
#pragma once

namespace tcpco {

class doorbell {
public:
    doorbell() = default;
    doorbell(const doorbell&) = delete;
    doorbell& operator=(const doorbell&) = delete;
    virtual ~doorbell() = default;

    // Ends the other reactor's sleep, or its next one where it is awake; at the latest when this turn submits.
    virtual void ring() noexcept = 0;
};

}  // namespace tcpco
